//! lxc-rs image serve-tree: what a web server offers to `lxc-create -t download`.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::options::flag;
use super::{tell, warn};
use crate::exported::Archive;
use crate::system::{Choice, Tree};
use crate::{Context, Error, Result, compression};

/// Its name among the commands of `lxc-rs image`.
pub(super) const NAME: &str = "serve-tree";

pub(super) fn command() -> Command {
    let text = |id: &'static str, value: &'static str| Arg::new(id).long(id).value_name(value);
    Command::new(NAME)
        .about("Put an exported container into a tree that a web server offers to -t download")
        .arg(
            Arg::new("dir")
                .value_name("DIR")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The tree; it is made if it is missing"),
        )
        .arg(Arg::new("file").value_name("FILE").value_parser(value_parser!(PathBuf)).help(
            "What lxc-rs export wrote, or - for standard input; without it the index is made anew",
        ))
        .arg(text("dist", "NAME").short('d').help("Distribution, such as debian"))
        .arg(text("release", "NAME").short('r').help("Its release, such as bookworm"))
        .arg(text("arch", "NAME").short('a').help("Its architecture (default: the container's)"))
        .arg(text("variant", "NAME").default_value("default").help("Its variant"))
        .arg(text("message", "TEXT").help("What who makes a container of it is told"))
        .arg(
            text("expires", "DAYS")
                .value_parser(value_parser!(u64).range(1..))
                .help("After how many days those who keep the image fetch it again"),
        )
        .arg(
            text("keep", "COUNT")
                .value_parser(value_parser!(u64).range(1..))
                .default_value("2")
                .help("How many builds of an image stay"),
        )
        .arg(text("sign", "KEY").help("Sign everything with this key of gpg"))
        .arg(
            flag("trust-config")
                .help("Offer what the container's configuration says of the host, too"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> Result<()> {
    let text = |id: &str| matches.get_one::<String>(id).map(String::as_str);
    let path = |id: &str| matches.get_one::<PathBuf>(id);
    let dir = path("dir").ok_or_else(|| Error::new("which directory?"))?;
    let tree = Tree::open(dir, text("sign"))?;
    if let Some(file) = path("file") {
        let input: Box<dyn Read> = if file.as_os_str() == "-" {
            Box::new(stdin())
        } else {
            Box::new(File::open(file).context(|| format!("cannot open {}", file.display()))?)
        };
        let input = compression::plain(input).context(|| "cannot read the archive")?;
        let mut archive = Archive::open(input)?;
        let wanted = |id: &str| {
            text(id).map(str::to_owned).ok_or_else(|| {
                Error::new(format!("which image is it? --{id} is missing"))
                    .hint("write -d DISTRIBUTION -r RELEASE")
            })
        };
        let choice = Choice {
            distribution: wanted("dist")?,
            release: wanted("release")?,
            architecture: match text("arch") {
                Some(name) => name.to_owned(),
                None => debian_name(&archive.about.architecture).to_owned(),
            },
            variant: text("variant").unwrap_or("default").to_owned(),
        };
        let expires = matches.get_one::<u64>("expires").copied();
        let trusted = matches.get_flag("trust-config");
        let build = tree.add(&choice, &mut archive, text("message"), expires, trusted)?;
        if !archive.about.snapshots.is_empty() {
            warn("lxc-rs image", "the snapshots of the container are left out: an image has none");
            // Who writes the archive is not to fail for that.
            while archive.next_snapshot()?.is_some() {}
        }
        tell(&build);
    }
    let keep = matches.get_one::<u64>("keep").copied().unwrap_or(2);
    tree.publish(usize::try_from(keep).unwrap_or(usize::MAX))
}

/// The architecture of a machine, as image servers call it.
fn debian_name(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv8l" => "armhf",
        "armv6l" => "armel",
        "i386" | "i486" | "i586" | "i686" => "i386",
        "ppc64le" => "ppc64el",
        other => other,
    }
}
