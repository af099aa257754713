//! lxc-download: a container from a server of images.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::options::{self, container, flag, limits};
use super::{Program, tell, warn};
use crate::registry::Client;
use crate::system::{self, Choice, Index, Kept, Server};
use crate::template::cache_dir;
use crate::{Context, Error, Result};

pub(super) const PROGRAM: Program = Program { name: "lxc-download", command, run };

/// Where LXC's images are.
const SERVER: &str = "images.linuxcontainers.org";
/// The keys of an administrator's own server.
const KEYRING: &str = "/etc/lxc/download.gpg";

fn command() -> Command {
    let text = |id: &'static str, value: &'static str| Arg::new(id).long(id).value_name(value);
    options::command("lxc-download", "A container from a server of images")
        .arg(text("dist", "NAME").short('d').help("Distribution, such as debian"))
        .arg(text("release", "NAME").short('r').help("Its release, such as bookworm"))
        .arg(text("arch", "NAME").short('a').help("Its architecture, such as amd64"))
        .arg(text("variant", "NAME").default_value("default").help("Its variant"))
        .arg(text("server", "HOST").default_value(SERVER).help("The server"))
        .arg(flag("list").short('l').help("Show what the server has, and make nothing"))
        .arg(flag("flush-cache").help("Forget what is kept of this image"))
        .arg(flag("force-cache").help("Use what is kept, however old"))
        .arg(
            Arg::new("keyring")
                .long("keyring")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(format!(
                    "Keys that must have signed all (default: {KEYRING}, if it is there)"
                )),
        )
        .arg(flag("no-validate").help("Look at no signature"))
        .arg(flag("plain-http").help("Without encryption, and without knowing who answers"))
        .arg(flag("verbose").help("Accepted, and changes nothing"))
        .arg(options::trust_config())
}

fn run(matches: &ArgMatches) -> Result<()> {
    let text = |id: &str| matches.get_one::<String>(id).map(String::as_str);
    let host = text("server").unwrap_or(SERVER);
    let keyring = matches.get_one::<PathBuf>("keyring").cloned();
    let keyring = keyring.or_else(|| Some(PathBuf::from(KEYRING)).filter(|file| file.exists()));
    let keyring = keyring.filter(|_| !matches.get_flag("no-validate"));
    let client = Client::new(host, matches.get_flag("plain-http"))?;
    let server = Server::new(client, host, keyring)?;
    let index = || {
        tell("Downloading the image index");
        server.index()
    };
    if matches.get_flag("list") {
        show(&index()?, |_| true);
        // For lxc-create there would be a container with nothing in it.
        return match container(matches) {
            Ok(_) => Err(Error::new("no container is made with --list")),
            Err(_) => Ok(()),
        };
    }
    let container = container(matches)?;
    let limits = limits(matches)?;
    let mut fetched = None;
    let choice = match (text("dist"), text("release"), text("arch")) {
        (Some(distribution), Some(release), Some(architecture)) => Choice {
            distribution: distribution.into(),
            release: release.into(),
            architecture: architecture.into(),
            variant: text("variant").unwrap_or("default").into(),
        },
        given => {
            let index = fetched.insert(index()?);
            ask(index, given, text("variant").unwrap_or("default"))?
        }
    };
    let kept = Kept::open(&cache_dir(), &choice)?;
    if matches.get_flag("flush-cache") {
        kept.flush()?;
    }
    let usable = kept.is_there()? && (matches.get_flag("force-cache") || !kept.has_expired()?);
    if usable {
        tell("Using image from local cache");
    } else {
        let index = fetched.map_or_else(index, Ok)?;
        kept.fetch(&server, index.find(&choice)?, limits, tell)?;
        container.give_back_kept(kept.parent())?;
        tell("The image cache is now ready");
    }
    tell("Unpacking the rootfs");
    let metadata = kept.metadata()?;
    let report = system::unpack(&container, &kept.rootfs(), Some(&metadata), &[], limits)?;
    for text in options::left_out(report) {
        warn(PROGRAM.name, &text);
    }
    system::configure(&container, Some(&metadata), matches.get_flag("trust-config"))?;
    if let Some(message) = metadata.message()? {
        tell(&format!("\n---\n{}", message.trim_end()));
    }
    Ok(())
}

/// Prints the lines of the index that are `wanted`.
fn show(index: &Index, wanted: impl Fn(&Choice) -> bool) {
    let row = |words: [&str; 5]| {
        let [distribution, release, architecture, variant, build] = words;
        tell(&format!(
            "{distribution:<15}  {release:<10}  {architecture:<5}  {variant:<7}  {build:<14}"
        ));
    };
    tell("---");
    row(["DIST", "RELEASE", "ARCH", "VARIANT", "BUILD"]);
    tell("---");
    for entry in index.0.iter().filter(|entry| wanted(&entry.choice)) {
        let Choice { distribution, release, architecture, variant } = &entry.choice;
        row([distribution, release, architecture, variant, &entry.build]);
    }
    tell("---");
}

/// Asks for what was not `given`.
fn ask(
    index: &Index,
    given: (Option<&str>, Option<&str>, Option<&str>),
    variant: &str,
) -> Result<Choice> {
    let fits = |given: Option<&str>, word: &str| given.is_none_or(|given| given == word);
    show(index, |choice| {
        fits(given.0, &choice.distribution)
            && fits(given.1, &choice.release)
            && fits(given.2, &choice.architecture)
            && choice.variant == variant
    });
    let answer = |given: Option<&str>, question: &str, option: &str| match given {
        Some(word) => Ok(word.to_owned()),
        None => prompt(question, option),
    };
    Ok(Choice {
        distribution: answer(given.0, "Distribution", "--dist")?,
        release: answer(given.1, "Release", "--release")?,
        architecture: answer(given.2, "Architecture", "--arch")?,
        variant: variant.to_owned(),
    })
}

fn prompt(question: &str, option: &str) -> Result<String> {
    let mut output = std::io::stdout();
    let written = write!(output, "{question}: ").and_then(|()| output.flush());
    written.context(|| "cannot ask")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context(|| "cannot read the answer")?;
    let answer = line.trim();
    if answer.is_empty() {
        return Err(Error::new(format!("no answer, and no {option}")));
    }
    Ok(answer.to_owned())
}
