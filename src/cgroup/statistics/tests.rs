//! The figures of captured cgroup trees of the three layouts.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::*;

/// A captured tree, unpacked; gone with the value.
struct Tree(PathBuf);

impl Tree {
    /// Unpacks `capture` but the file `without`.
    fn unpack(name: &str, capture: &str, without: &str) -> Self {
        let base = std::env::temp_dir().join(format!("lxc-rs-{name}-{}", std::process::id()));
        for part in capture.split("=== ").skip(1) {
            let (path, text) = part.split_once('\n').unwrap();
            if path != without {
                let path = base.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
        Self(base)
    }

    fn statistics(&self) -> Statistics {
        let open = |entry: std::io::Result<std::fs::DirEntry>| -> OwnedFd {
            File::open(entry.unwrap().path()).unwrap().into()
        };
        let dirs = std::fs::read_dir(&self.0).unwrap().map(open).collect();
        // All are in one file system here, so each is looked at.
        Sources::open(&FromMonitor::looked_at(dirs), Part::ALL, Keep::Directories).read()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn golden(name: &str, capture: &str, json: &str) {
    let got = serde_json::to_value(Tree::unpack(name, capture, "").statistics()).unwrap();
    let wanted: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(got, wanted, "{name}: {}", serde_json::to_string_pretty(&got).unwrap());
}

const V1: &str = include_str!("../../../tests/fixtures/cgroup/v1.txt");
const HYBRID: &str = include_str!("../../../tests/fixtures/cgroup/hybrid.txt");
const V2: &str = include_str!("../../../tests/fixtures/cgroup/v2.txt");

#[test]
fn captured_trees() {
    golden("v1", V1, include_str!("../../../tests/fixtures/cgroup/v1.json"));
    golden("hybrid", HYBRID, include_str!("../../../tests/fixtures/cgroup/hybrid.json"));
    golden("v2", V2, include_str!("../../../tests/fixtures/cgroup/v2.json"));
}

/// Whatever file is missing, some figure is missing, and all that are left are as they were.
#[test]
fn missing_is_missing() {
    for (layout, capture) in [("v1", V1), ("hybrid", HYBRID), ("v2", V2)] {
        let figures = |without: &str| {
            let tree = Tree::unpack(&format!("without-{layout}"), capture, without);
            let mut all = BTreeMap::new();
            flatten("", &serde_json::to_value(tree.statistics()).unwrap(), &mut all);
            all
        };
        let whole = figures("");
        for file in capture.split("=== ").skip(1).map(|part| part.split_once('\n').unwrap().0) {
            let left = figures(file);
            // The unified hierarchy tells the processor time, too.
            let is_replaced = layout == "hybrid" && file.starts_with("cpuacct/cpuacct.usage");
            assert!(
                is_replaced || left.iter().all(|figure| whole.get(figure.0) == Some(figure.1)),
                "{layout} without {file}: {left:?}"
            );
            // Of no device there is nothing to miss.
            let is_spare =
                layout == "hybrid" && (file.starts_with("blkio/") || file == "unified/cpu.stat");
            assert!(is_spare || left != whole, "{layout}: {file} is not read");
        }
    }
}

/// The figures that are there, by their path.
fn flatten(path: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{path}/{name}"), value, into);
            }
        }
        serde_json::Value::Null => {}
        other => drop(into.insert(path.to_owned(), other.to_string())),
    }
}

/// The figures of this very process's cgroups are there, each read from its real file.
#[test]
fn the_running_kernel() {
    let layout = crate::cgroup::Layout::of_host(true).unwrap();
    let open = |hierarchy: &crate::cgroup::Hierarchy| -> Option<OwnedFd> {
        File::open(hierarchy.dir("".as_ref())).ok().map(OwnedFd::from)
    };
    let dirs: Vec<OwnedFd> = layout.hierarchies.iter().filter_map(open).collect();
    if dirs.is_empty() {
        eprintln!("skipped: no cgroup hierarchy can be read here");
        return;
    }
    let mut hierarchies = Hierarchies::default();
    let sources = Sources::open(&FromMonitor::new(dirs, &mut hierarchies), Part::ALL, Keep::Files);
    let (first, second) = (sources.read(), sources.read());
    assert!(first.cpu.usage_nanoseconds.is_some(), "{first:?}");
    assert!(second.cpu.usage_nanoseconds >= first.cpu.usage_nanoseconds);
}
