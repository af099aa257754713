//! How long configuration files take to be read: `cargo bench --bench config`.
#![expect(clippy::print_stdout, reason = "it reports")]

use std::path::Path;
use std::time::{Duration, Instant};

use lxc_rs::config::Document;

/// 20,000 keys in 1 MiB, of all kinds.
fn large() -> String {
    let lines = |n: usize| {
        [
            format!("lxc.environment = VARIABLE_{n:05}=some value that is as long as usual"),
            format!("lxc.mount.entry = /srv/{n} srv/{n} none bind,create=dir 0 0"),
            format!("lxc.cgroup2.file{n}.max = {n}"),
            format!("lxc.sysctl.net.core.setting{n} = {n}"),
            "lxc.uts.name = a-name-that-is-set-again-and-again".to_owned(),
            format!("lxc.net.{}.ipv4.address = 10.0.0.{}/24 # {n:010}", n % 50, n % 250)
                .replace(" #", " 10.0.0.255\n#"),
            format!("lxc.hook.start = /usr/local/lib/hooks/{n} --with an --argument"),
            "lxc.cap.drop = sys_module sys_time".to_owned(),
        ]
    };
    (0..2500).flat_map(lines).map(|line| line + "\n").collect()
}

/// The median of the times that `read` takes.
fn median(read: impl Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..31)
        .map(|_| {
            let begin = Instant::now();
            read();
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let text = large();
    let keys = text.lines().filter(|line| line.starts_with("lxc.")).count();
    let time = median(|| drop(Document::parse(&text, "large").expect("it is correct")));
    println!("{keys} keys in {} KiB: {time:.2?} (promised: 50 ms)", text.len() >> 10);

    // The shipped files as they are installed, and a container's own on top.
    let dir = std::env::temp_dir().join(format!("lxc-rs-bench-{}", std::process::id()));
    let config = dir.join("config");
    std::fs::create_dir_all(config.join("common.conf.d")).expect("a directory");
    std::fs::create_dir_all(config.join("userns.conf.d")).expect("a directory");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for entry in shipped.read_dir().expect("the shipped files").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a text");
        let text = text.replace("@DATADIR@", &dir.display().to_string());
        std::fs::write(config.join(entry.file_name()), text).expect("a copy");
    }
    let usual = format!(
        "lxc.include = {0}/debian.common.conf\nlxc.include = {0}/debian.userns.conf\n\
         lxc.uts.name = web\nlxc.rootfs.path = dir:/srv/web\nlxc.net.0.type = veth\n\
         lxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\nlxc.idmap = u 0 100000 65536\n\
         lxc.idmap = g 0 100000 65536\n",
        config.display()
    );
    let time = median(|| drop(Document::parse(&usual, "usual").expect("it is correct")));
    println!("a usual configuration with its includes: {time:.2?} (promised: 1 ms)");
    std::fs::remove_dir_all(dir).expect("the copies go");
}
