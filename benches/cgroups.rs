//! What cgroups cost: setting up and removing those of one container, beside the bare system calls
//! for the same directories.
//!
//!     sudo cargo bench --bench cgroups
//!
//! Prints medians and the promised bound (docs/SPECIFICATION.md).
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lxc_rs::config::Config;
use lxc_rs::identity::ContainerName;
use lxc_rs::internals::Ids;
use lxc_rs::internals::{Cgroups, Hierarchy, HostRules, Layout, Version};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 200;

fn main() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root".into());
    }
    set_up_and_removal()
}

fn create(name: &str) -> Result<Cgroups> {
    let name = ContainerName::new(name)?;
    let (config, rules) = (Config::default(), HostRules::default());
    let layout = Layout::for_containers(&config, &rules)?;
    Ok(Cgroups::create(&name, &config, &rules, layout)?)
}

fn set_up_and_removal() -> Result<()> {
    let layout = Layout::of_host(false)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // In turns, so that both meet the same machine.
        let begin = Instant::now();
        create("bench")?.remove(Ids::new(&[]))?;
        ours.push(begin.elapsed());
        let begin = Instant::now();
        let dirs: Vec<PathBuf> =
            layout.hierarchies.iter().map(bare_directory).collect::<Result<_>>()?;
        for dir in dirs {
            std::fs::remove_dir(dir)?;
        }
        bare.push(begin.elapsed());
    }
    let (ours, bare) = (median(ours), median(bare));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("set-up and removal: {ours:?}, bare: {bare:?}, ratio {ratio:.2} (at most 1.5)");
    Ok(())
}

/// The least for a directory that processes can enter.
fn bare_directory(hierarchy: &Hierarchy) -> Result<PathBuf> {
    let parent = hierarchy.dir(Path::new(""));
    let dir = hierarchy.dir(Path::new("lxc.payload.bench-bare"));
    std::fs::create_dir(&dir)?;
    if hierarchy.version == Version::V1 && hierarchy.has("cpuset") {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            std::fs::write(dir.join(file), std::fs::read(parent.join(file))?)?;
        }
        std::fs::write(dir.join("cgroup.clone_children"), "1")?;
    }
    Ok(dir)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
