//! What the tools of LVM say and do (lvs(8), lvcreate(8) and their like).

use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::programs;
use crate::storage::tool;

const PACKAGE: &str = "lvm2";

/// The beginning of the tag of volumes that are made here; the rest is the directory of containers.
const TAG: &str = "lxc-rs=";

fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Result<String> {
    // What the caller of these tools has left open is no concern of its user's.
    tool::run_with(&[("LVM_SUPPRESS_FD_WARNINGS", "1")], program, PACKAGE, arguments)
}

/// The name of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The volume group.
    pub(super) group: String,
    /// Its own.
    pub(super) volume: String,
}

impl Name {
    /// Fails unless LVM may take them: what it takes else is an option, or a path.
    pub(super) fn new(group: &str, volume: &str) -> Result<Self> {
        let is_good = |name: &str| {
            let is_allowed = |it: char| it.is_ascii_alphanumeric() || "+_.-".contains(it);
            !name.is_empty() && !name.starts_with('-') && name.chars().all(is_allowed)
        };
        for name in [group, volume] {
            if !is_good(name) {
                return Err(Error::new(format!("{name:?} is no name of a volume or group of LVM"))
                    .hint("letters, digits, +, _, . and - are allowed, - not at the beginning"));
            }
        }
        Ok(Self { group: group.to_owned(), volume: volume.to_owned() })
    }

    /// That of the device `path`: `/dev/GROUP/VOLUME`, or `/dev/mapper/GROUP-VOLUME`.
    pub(super) fn of(path: &str) -> Result<Self> {
        let wrong = || {
            Error::new(format!("{path} is not the device of a logical volume"))
                .hint("write lvm:/dev/GROUP/VOLUME")
        };
        let parts = path.strip_prefix("/dev/").and_then(|rest| rest.split_once('/'));
        match parts.ok_or_else(wrong)? {
            ("mapper", name) => {
                // A hyphen in a name is doubled there.
                let plain = name.replace("--", "\0");
                let (group, volume) = plain.split_once('-').ok_or_else(wrong)?;
                Self::new(&group.replace('\0', "-"), &volume.replace('\0', "-"))
            }
            (group, volume) => Self::new(group, volume),
        }
    }

    /// The path of its device.
    pub(super) fn device(&self) -> String {
        format!("/dev/{self}")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.volume)
    }
}

/// What LVM says of a volume.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    /// Its name.
    pub(super) name: Name,
    /// Its size in bytes.
    pub(super) size: u64,
    /// How much of that is on the disks.
    pub(super) used: u64,
    /// The bytes of the extents of its group, of which it has a whole number.
    pub(super) extent: u64,
    /// The volume that it is a snapshot of.
    pub(super) origin: Option<String>,
    /// The thin pool that it is in.
    pub(super) pool: Option<String>,
    /// Whether it is a thin pool itself.
    pub(super) is_thin_pool: bool,
}

/// A volume as lvs writes it: all of it is text.
#[derive(Deserialize)]
struct Row {
    vg_name: String,
    lv_name: String,
    lv_size: String,
    vg_extent_size: String,
    origin: String,
    pool_lv: String,
    data_percent: String,
    lv_layout: String,
}

#[derive(Deserialize)]
struct Report {
    report: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    lv: Vec<Row>,
}

const COLUMNS: &str =
    "vg_name,lv_name,lv_size,vg_extent_size,origin,pool_lv,data_percent,lv_layout";

impl Volume {
    /// All of the group `group`.
    pub(super) fn all(group: &str) -> Result<Vec<Self>> {
        list(&[group])
    }

    /// The one called `name`.
    pub(super) fn find(name: &Name) -> Result<Self> {
        list(&[&name.to_string()])?.pop().ok_or_else(|| {
            Error::new(format!("there is no logical volume {name}"))
                .hint("create it, or correct lxc.rootfs.path; lvs shows those there are")
        })
    }
}

fn list(selection: &[&str]) -> Result<Vec<Volume>> {
    let options = ["--reportformat", "json", "--units", "b", "--nosuffix", "-o", COLUMNS];
    parse(&run("lvs", options.iter().chain(selection))?)
}

fn parse(text: &str) -> Result<Vec<Volume>> {
    let wrong = |what: String| Error::new(format!("lvs: {what}"));
    let report: Report = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong(format!("{text:?}: no size")));
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let volume = |row: Row| {
        let size = number(&row.lv_size)?;
        let is_thin = !row.pool_lv.is_empty();
        Ok(Volume {
            name: Name { group: row.vg_name, volume: row.lv_name },
            size,
            used: if is_thin { part(size, &row.data_percent) } else { size },
            extent: number(&row.vg_extent_size)?.max(1),
            origin: some(row.origin),
            pool: some(row.pool_lv),
            is_thin_pool: row.lv_layout.split(',').eq(["thin", "pool"]),
        })
    };
    report.report.into_iter().flat_map(|part| part.lv).map(volume).collect()
}

/// So many hundredths of `size`: `percent` has two digits after its point. Without it, as of a volume that is not
/// active, all.
fn part(size: u64, percent: &str) -> u64 {
    let digits: String = percent.chars().filter(char::is_ascii_digit).collect();
    match digits.parse::<u128>() {
        Ok(hundredths) if percent.contains('.') => {
            u64::try_from(u128::from(size) * hundredths / 10_000).unwrap_or(size)
        }
        _ => size,
    }
}

/// The tag of volumes for containers in `lxcpath`, in the characters that LVM takes.
fn tag(lxcpath: &Path) -> String {
    let mut tag = TAG.to_owned();
    for byte in lxcpath.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/_.+-".contains(byte) {
            tag.push(char::from(*byte));
        } else {
            // To a String it does not fail.
            let _ = write!(tag, "&{byte:02x}");
        }
    }
    tag
}

/// The volumes that were made here for containers in `lxcpath`; none where LVM is not installed.
pub(super) fn made_for(lxcpath: &Path) -> Result<Vec<Name>> {
    if programs::find("lvs", PACKAGE).is_err() {
        return Ok(Vec::new());
    }
    let wanted = format!("@{}", tag(lxcpath));
    Ok(list(&[&wanted])?.into_iter().map(|volume| volume.name).collect())
}

/// Makes the volume `name` of `size` bytes, in the thin pool `pool` of its group if there is one.
pub(super) fn create(name: &Name, pool: Option<&str>, size: u64, lxcpath: &Path) -> Result<()> {
    let (size, tag) = (format!("{size}b"), tag(lxcpath));
    // What an older volume has left there is no longer a file system.
    let mut words = vec!["--yes", "--wipesignatures", "y", "--addtag", &tag, "-n", &name.volume];
    let in_pool = pool.map(|pool| format!("{}/{pool}", name.group));
    match &in_pool {
        Some(pool) => words.extend(["-V", &size, "--thinpool", pool]),
        None => words.extend(["-L", &size, &name.group]),
    }
    run("lvcreate", words).map(drop)
}

/// Makes the snapshot `name` of the volume `origin`: a thin one, or one that can take as many changes as `size`,
/// or that never has too little.
pub(super) fn snapshot(
    origin: &Name,
    name: &Name,
    is_thin: bool,
    size: Option<u64>,
    lxcpath: &Path,
) -> Result<()> {
    let (origin, tag) = (origin.to_string(), tag(lxcpath));
    let size = size.map(|size| format!("{size}b"));
    let mut words = vec!["--yes", "--snapshot", "--addtag", &tag, "-n", &name.volume];
    match &size {
        // It is active like any other.
        _ if is_thin => words.extend(["--setactivationskip", "n"]),
        Some(size) => words.extend(["-L", size]),
        None => words.extend(["-l", "100%ORIGIN"]),
    }
    words.push(&origin);
    run("lvcreate", words).map(drop)
}

/// Removes it.
pub(super) fn remove(name: &Name) -> Result<()> {
    run("lvremove", ["--force", "--yes", &name.to_string()]).map(drop)
}

/// Lets it have `size` bytes.
pub(super) fn extend(name: &Name, size: u64) -> Result<()> {
    run("lvextend", ["-L", &format!("{size}b"), &name.to_string()]).map(drop)
}

/// Makes its device, also if it is one of those that are left out as a rule.
pub(super) fn activate(name: &Name) -> Result<()> {
    run("lvchange", ["--activate", "y", "--ignoreactivationskip", &name.to_string()]).map(drop)
}

/// Removes its device.
pub(super) fn deactivate(name: &Name) -> Result<()> {
    run("lvchange", ["--activate", "n", &name.to_string()]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_devices() {
        let name = |path| Name::of(path).map(|name| (name.group, name.volume));
        let both = |group: &str, volume: &str| Ok((group.to_owned(), volume.to_owned()));
        assert_eq!(name("/dev/lxc/web"), both("lxc", "web"));
        assert_eq!(name("/dev/mapper/my--vg-web--1"), both("my-vg", "web-1"));
        for bad in
            ["/dev/sda", "/srv/web", "/dev/vg/-x", "/dev/vg/a b", "/dev/mapper/web", "/dev/vg/"]
        {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(Name::of("/dev/lxc/web").unwrap().device(), "/dev/lxc/web");
    }

    #[test]
    fn what_lvs_says_is_read() {
        let text = r#"{ "report": [ { "lv": [
            {"vg_name":"v", "lv_name":"pool", "lv_size":"209715200", "vg_extent_size":"4194304", "origin":"",
             "pool_lv":"", "data_percent":"1.50", "lv_layout":"thin,pool"},
            {"vg_name":"v", "lv_name":"web", "lv_size":"104857600", "vg_extent_size":"4194304", "origin":"base",
             "pool_lv":"pool", "data_percent":"12.50", "lv_layout":"thin,sparse"},
            {"vg_name":"v", "lv_name":"plain", "lv_size":"104857600", "vg_extent_size":"4194304", "origin":"",
             "pool_lv":"", "data_percent":"", "lv_layout":"linear"} ] } ] }"#;
        let found = parse(text).unwrap();
        assert!(found[0].is_thin_pool && !found[1].is_thin_pool);
        assert_eq!(
            (found[1].pool.as_deref(), found[1].origin.as_deref()),
            (Some("pool"), Some("base"))
        );
        assert_eq!((found[1].used, found[2].used), (13_107_200, 104_857_600));
        assert!(found[2].pool.is_none() && found[2].origin.is_none());
        assert!(parse("no JSON").is_err());
    }

    #[test]
    fn tags_have_what_lvm_takes() {
        assert_eq!(tag(Path::new("/var/lib/lxc")), "lxc-rs=/var/lib/lxc");
        assert_eq!(tag(Path::new("/srv/a b@")), "lxc-rs=/srv/a&20b&40");
    }
}
