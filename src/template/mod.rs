//! Templates: the programs that fill a new container's root filesystem and configuration.
//!
//! A template is `lxc-NAME` in one of the template directories, or any program by its absolute path.
//! It gets `--path=DIR --name=NAME --rootfs=DIR` and the user's own words, and adds to the
//! configuration in DIR. The busybox template is part of this program, so that there always is one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::init::command;
use crate::paths;
use crate::sys::spawn::{Image, Program};
use crate::sys::{exec, signals};

/// The text of the template that needs no installation.
const BUSYBOX: &str = include_str!("../../templates/lxc-busybox");

/// Where other distributions' packages put templates.
const SYSTEM_DIR: &str = "/usr/share/lxc/templates";

/// The templates that can make a root filesystem an overlay over layers that containers share.
const WITH_LAYERS: [&str; 1] = ["lxc-oci"];

/// Tells such a template, of this package, to do so: then it writes `lxc.rootfs.path` anew.
pub const LAYERS: &str = "--layers";

/// Tells it, by the user, not to.
const COPY: &str = "--copy";

/// A template that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// A program.
    Program(PathBuf),
    /// The busybox template of this program.
    Embedded,
}

/// Finds the template `name`: an absolute path, or a name.
pub fn find(name: &str) -> Result<Template> {
    let path = Path::new(name);
    if path.is_absolute() {
        return usable(path)
            .then(|| Template::Program(path.to_path_buf()))
            .ok_or_else(|| Error::new(format!("bad template: {name}: not an executable file")));
    }
    let found = dirs().into_iter().map(|dir| dir.join(format!("lxc-{name}")));
    match found.into_iter().find(|path| usable(path)) {
        Some(path) => Ok(Template::Program(path)),
        None if name == "busybox" => Ok(Template::Embedded),
        None => Err(Error::new(format!("bad template: {name}: Template \"{name}\" not found"))
            .hint(format!("there are: {}", names().join(" ")))),
    }
}

/// The names of all templates.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = dirs()
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flatten()
        .flatten()
        .filter(|entry| usable(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("lxc-").map(str::to_owned))
        .collect();
    names.push("busybox".to_owned());
    names.sort();
    names.dedup();
    names
}

fn dirs() -> Vec<PathBuf> {
    let mut dirs = vec![paths::template_dir(), PathBuf::from(SYSTEM_DIR)];
    dirs.dedup();
    dirs
}

fn usable(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// Runs a template's command line; its exit code, or 128 and the number of the signal that killed it.
pub fn run(words: &[OsString], quiet: bool) -> Result<i32> {
    let trap = signals::shell_trap();
    let mut arguments = words.to_vec();
    if !trap.is_empty() {
        let shell = ["/bin/sh", "-c", &format!("{trap}exec \"$@\""), "sh"].map(OsString::from);
        arguments.splice(0..0, shell);
    }
    let template = Program {
        program: Image::Path(Path::new(&arguments[0])),
        arguments: arguments.clone(),
        environment: exec::own_environment(),
        session: false,
        unblocked: false,
        null: quiet.then_some(0..=2),
        keep: &[],
    };
    let failed = || format!("cannot run the template {}", words[0].to_string_lossy());
    command::wait(template.spawn().context(failed)?)
}

impl Template {
    /// How the configuration's header names it.
    pub fn shown(&self) -> String {
        match self {
            Self::Program(path) => path.display().to_string(),
            Self::Embedded => "busybox (built in)".to_owned(),
        }
    }

    /// Whether it is to make layers, with these `arguments` of the user.
    pub fn may_make_layers(&self, arguments: &[OsString]) -> bool {
        self.knows_layers() && arguments.iter().all(|word| word != COPY)
    }

    fn knows_layers(&self) -> bool {
        let Self::Program(path) = self else { return false };
        let is_named =
            path.file_name().is_some_and(|name| WITH_LAYERS.iter().any(|it| name == *it));
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        is_named && real(path).is_some_and(|path| Some(path) == real(&paths::images()))
    }

    /// Its help, on the caller's standard error.
    pub fn help(&self) -> Result<()> {
        let words = self.program()?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("-h").stdout(std::io::stderr());
        command.status().context(|| format!("cannot run the template {}", self.shown()))?;
        Ok(())
    }

    /// Its command line for the container `identity`, whose root filesystem is at `rootfs`.
    pub fn command_line(
        &self,
        identity: &Identity,
        rootfs: &Path,
        arguments: &[OsString],
    ) -> Result<Vec<OsString>> {
        let word = |option: &str, value: &Path| {
            let mut word = OsString::from(option);
            word.push(value);
            word
        };
        let mut words = self.program()?;
        words.push(word("--path=", &identity.dir()));
        words.push(format!("--name={}", identity.name).into());
        words.push(word("--rootfs=", rootfs));
        words.extend_from_slice(arguments);
        Ok(words)
    }

    /// Fails if it ended with another exit `code` than 0; 128 and the number of the signal that
    /// killed it.
    pub fn succeeded(&self, code: i32) -> Result<()> {
        let how = match code {
            0 => return Ok(()),
            129.. => format!("was killed by signal {}", code - 128),
            _ => format!("ended with code {code}"),
        };
        Err(Error::new(format!("the template {} {how}", self.shown())))
    }

    fn program(&self) -> Result<Vec<OsString>> {
        match self {
            Self::Program(path) => Ok(vec![path.into()]),
            Self::Embedded => {
                use std::io::Write;
                let flags = nix::sys::memfd::MFdFlags::empty();
                let memory = nix::sys::memfd::memfd_create("lxc-busybox", flags)
                    .context(|| "cannot make a memory file for the template")?;
                let mut file = std::fs::File::from(memory);
                file.write_all(BUSYBOX.as_bytes()).context(|| "cannot write the template")?;
                // The shell inherits it, so it lives as long as we do.
                let number = std::os::fd::IntoRawFd::into_raw_fd(file);
                Ok(vec!["/bin/sh".into(), format!("/proc/self/fd/{number}").into()])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_always_is_a_template() {
        assert!(names().contains(&"busybox".to_owned()));
        assert!(find("busybox").is_ok());
        let error = find("no-such-template").unwrap_err();
        assert!(error.hint.unwrap().contains("busybox"));
        assert!(find("/etc/passwd").is_err());
    }
}
