//! The environment of an attached command.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::target::Target;
use super::{Environment, Request};
use crate::mount::Root;
use crate::sys::exec;
use crate::table;

/// Where commands are looked up unless the environment sets `PATH`.
pub(super) use crate::hooks::PATH_INSIDE as CLEAN_PATH;

/// The command's variables: the caller's or some of them, the configured ones, and those asked for.
pub(super) fn of_command(request: &Request, target: &Target) -> Vec<OsString> {
    let mut variables: Vec<OsString> = match &request.environment {
        Environment::Keep => exec::own_environment(),
        Environment::Clear(kept) => kept
            .iter()
            .filter_map(|name| Some(exec::variable(name, &std::env::var_os(name)?)))
            .collect(),
    };
    let has_path = variables.iter().any(|one| one.as_bytes().starts_with(b"PATH="));
    if !has_path {
        variables.push(format!("PATH={CLEAN_PATH}").into());
    }
    variables.push("container=lxc".into());
    let added = target.variables.iter().chain(&request.set_variables);
    variables.extend(added.filter(|one| one.contains('=')).map(OsString::from));
    exec::last_of_each(variables)
}

/// The shell of user `uid` according to the container's passwd(5).
pub(super) fn login_shell(uid: u32) -> String {
    let passwd = Root::open(Path::new("/")).ok();
    let passwd = passwd.and_then(|root| root.content_inside(Path::new("etc/passwd")));
    let passwd = table::text(passwd.unwrap_or_default());
    let uid = uid.to_string();
    let of_user = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let shell = of_user.filter(|fields| fields.get(2) == Some(&&*uid)).find_map(|fields| {
        fields.get(6).filter(|shell| !shell.is_empty()).map(|shell| (*shell).to_owned())
    });
    shell.unwrap_or_else(|| "/bin/sh".to_owned())
}
