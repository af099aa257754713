//! A program with threads of its own that uses containers, and looks after each call whether it is still
//! what it was: `library-caller LXCPATH HELPER`. Prints a line for each call and ends with 1 at a change.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use lxc_rs::config::{Document, SystemConfig, get};
use lxc_rs::request::{Attach, Checkpoint, Copy, Create, Device, Images, Injection, Start};
use lxc_rs::{Container, State};
use nix::sys::signal::{SigSet, Signal};

/// How many threads there are beside the first.
const THREADS: usize = 7;

/// What a caller would notice if it changed, by name.
type Facts = BTreeMap<String, String>;

fn facts() -> Facts {
    let mut all = Facts::new();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_else(|error| error.to_string());
    let links = |dir: &str| {
        let mut text = String::new();
        let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            // The directory that is being read is one of the descriptors.
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            if !target.starts_with("/proc") {
                let _ = writeln!(text, "{} -> {}", entry.file_name().display(), target.display());
            }
        }
        text
    };
    all.insert("descriptors".into(), links("/proc/self/fd"));
    let mut children = String::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let task = task.path();
        let task = task.to_str().unwrap();
        let status = read(&format!("{task}/status"));
        let kept = ["Umask", "SigBlk", "SigIgn", "SigCgt", "Uid", "Gid", "Groups", "NoNewPrivs"];
        let more = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Seccomp", "Cpus_allowed"];
        for line in status.lines() {
            let name = line.split(':').next().unwrap_or_default();
            if kept.contains(&name) || more.contains(&name) {
                all.insert(format!("{task} {name}"), line.to_owned());
            }
        }
        all.insert(format!("{task} namespaces"), links(&format!("{task}/ns")));
        all.insert(format!("{task} cgroup"), read(&format!("{task}/cgroup")));
        all.insert(format!("{task} name"), read(&format!("{task}/comm")));
        children += &read(&format!("{task}/children"));
    }
    all.insert("children".into(), children);
    all.insert("directory".into(), format!("{:?}", std::env::current_dir()));
    all.insert("root".into(), format!("{:?}", std::fs::read_link("/proc/self/root")));
    all.insert("environment".into(), format!("{:?}", std::env::vars_os().collect::<Vec<_>>()));
    all.insert("limits".into(), read("/proc/self/limits"));
    all.insert("oom".into(), read("/proc/self/oom_score_adj"));
    all.insert("dumpable".into(), format!("{:?}", nix::sys::prctl::get_dumpable()));
    all.insert("pdeathsig".into(), format!("{:?}", nix::sys::prctl::get_pdeathsig()));
    all.insert("subreaper".into(), format!("{:?}", nix::sys::prctl::get_child_subreaper()));
    all.insert("session".into(), format!("{:?}", nix::unistd::getsid(None)));
    all.insert("group".into(), format!("{:?}", nix::unistd::getpgrp()));
    all.insert("mounts".into(), read("/proc/self/mountinfo"));
    all
}

/// Calls `act`, prints its name, and compares.
struct Watch {
    changed: bool,
}

impl Watch {
    fn call<T: std::fmt::Debug>(
        &mut self,
        name: &str,
        act: impl FnOnce() -> lxc_rs::Result<T>,
    ) -> T {
        let before = facts();
        let result = act();
        let after = facts();
        for (key, value) in &before {
            if after.get(key) != Some(value) {
                println!("changed by {name}: {key}: {value} => {:?}", after.get(key));
                self.changed = true;
            }
        }
        for key in after.keys().filter(|key| !before.contains_key(*key)) {
            println!("new after {name}: {key}");
            self.changed = true;
        }
        let result = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {result:?}");
        result
    }
}

/// Whether `init`, in some time, is a busybox that catches or awaits the signal that shuts it down: one that
/// comes before is lost. While it sleeps in `rt_sigtimedwait(2)` the kernel shows what it awaits as not blocked.
fn listens(init: i32) -> bool {
    let bit = 1_u64 << (Signal::SIGUSR1 as i32 - 1);
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let program = std::fs::read_link(format!("/proc/{init}/exe")).unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{init}/status")).unwrap_or_default();
        let mask = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            u64::from_str_radix(line.trim(), 16).ok()
        };
        let call = std::fs::read_to_string(format!("/proc/{init}/syscall")).unwrap_or_default();
        let awaits = call.split(' ').next() == Some(&nix::libc::SYS_rt_sigtimedwait.to_string());
        let masks = [mask("SigBlk:"), mask("SigCgt:")];
        program.ends_with("busybox")
            && (awaits || masks.iter().flatten().any(|mask| mask & bit != 0))
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let (lxcpath, helper) = (Path::new(&arguments[1]), &arguments[2]);
    // Odd, so that a change shows.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o137));
    SigSet::from(Signal::SIGUSR2).thread_block().unwrap();
    let barrier = Arc::new(Barrier::new(THREADS + 1));
    for _ in 0..THREADS {
        let barrier = Arc::clone(&barrier);
        std::thread::spawn(move || {
            barrier.wait();
            loop {
                // Allocates, as threads do.
                std::hint::black_box(vec![0_u8; 4096]);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }
    barrier.wait();
    let mut watch = Watch { changed: false };
    let soon = Some(Duration::from_secs(20));

    assert!(lxc_rs::set_helper(helper), "set_helper");
    let mut one = watch.call("new", || Container::new("t-libone", Some(lxcpath)));
    let mut two = watch.call("new", || Container::new("t-libtwo", Some(lxcpath)));
    watch.call("bare", || Ok(!one.bare().is_loaded()));
    watch.call("identity", || Ok(one.identity().clone()));
    watch.call("SystemConfig::load", || {
        SystemConfig::load().map(|config| config.get("lxc.lxcpath"))
    });
    assert!(!watch.call("is_defined", || one.is_defined()));
    let create = watch.call("to_create", || Ok(one.to_create()));
    let config = lxcpath.join("empty.conf");
    std::fs::write(&config, "lxc.net.0.type = empty\n").unwrap();
    let template = Some("busybox".to_owned());
    let create = Create { template, config: Some(config.clone()), ..create };
    watch.call("create", || one.create(&create));
    watch.call("defined", || Container::defined(lxcpath).map(|all| all.len()));
    assert!(!watch.call("is_loaded", || Ok(one.is_loaded())));
    watch.call("document", || one.document()?.set("lxc.environment", "FROM=library", "caller"));
    watch.call("save", || one.save());
    watch.call("save_to", || one.save_to(&lxcpath.join("saved.conf")));
    std::fs::remove_file(lxcpath.join("saved.conf")).unwrap();
    let more = lxcpath.join("more.conf");
    std::fs::write(&more, "lxc.environment = MORE=1\n").unwrap();
    watch.call("load", || one.load(&more));
    std::fs::remove_file(more).unwrap();
    watch.call("Document::load", || {
        get(&Document::load(&one.identity().config_file())?.config, "lxc.environment")
    });
    let start = watch.call("to_start", || Ok(one.to_start()));
    watch.call("start", || one.start(&start));
    assert_eq!(watch.call("state", || one.state()), State::Running);
    watch.call("init_pid", || one.init_pid().map(|pid| pid > 1));
    watch.call("may_control", || one.may_control());
    assert!(watch.call("wait", || one.wait(&[State::Running], soon)));
    let attach = watch.call("to_attach", || Ok(one.to_attach()));
    let command = ["sh", "-c", "echo $FROM; exit 3"].map(Into::into).to_vec();
    let code = watch.call("attach", || one.attach(&Attach { command, ..attach.clone() }));
    assert_eq!(code, 3);
    let command = vec!["/nowhere".into()];
    watch
        .call("attach", || Ok(one.attach(&Attach { command, ..attach.clone() }).unwrap_err().what));
    watch.call("last_error", || Ok(one.last_error().is_some()));
    let left = watch.call("attach_child", || {
        let command = ["sh", "-c", "exit 6"].map(Into::into).to_vec();
        let left = one.attach_child(&Attach { command, ..attach.clone() }, [None; 3])?;
        let ended = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(left.pid), None);
        Ok((left.failed, format!("{ended:?}").contains(", 6)")))
    });
    assert_eq!(left, (None, true));
    watch.call("init_pidfd", || one.init_pidfd().map(drop));
    watch.call("devpts", || one.devpts().map(drop));
    assert!(watch.call("terminal", || one.terminal(9).map(|tty| tty.is_none())));
    watch.call("set_answer_within", || Ok(one.set_answer_within(soon)));
    let key = Some(1);
    watch.call("console", || Ok(one.console(9, key, [None; 3]).unwrap_err().what));
    let most = Some(10);
    watch.call("console_log", || Ok(one.console_log(most, false).unwrap_err().errno));
    watch.call("seccomp_listener", || one.seccomp_listener().map(|fd| fd.is_none()));
    watch.call("prepare_function", || one.prepare_function(&attach, [None; 3]).map(drop));
    watch.call("follow_function", || {
        let prepared = one.prepare_function(&attach, [None; 3])?;
        Ok(one.follow_function(prepared, Err(std::io::Error::other("not forked"))).unwrap_err().what)
    });
    let mount = Injection {
        source: "none".into(),
        target: "/mnt".into(),
        fstype: Some("tmpfs".into()),
        flags: 0,
        data: None,
    };
    watch.call("mount", || one.mount(&mount));
    watch.call("unmount", || one.unmount(Path::new("/mnt"), 0));
    let images = Images { dir: "/tmp".into(), verbose: false, action_script: None };
    let checkpoint = Checkpoint::to(images);
    watch.call("checkpoint", || Ok(one.checkpoint(&checkpoint).unwrap_err().what));
    watch.call("has_checkpoint_feature", || Ok(one.has_checkpoint_feature("lazy_pages").is_ok()));
    let item = watch.call("running_item", || one.running_item("lxc.environment"));
    assert_eq!(item.as_deref(), Some("FROM=library\nMORE=1\n"));
    watch.call("set_cgroup_item", || one.set_cgroup_item("pids.max", "100"));
    assert_eq!(watch.call("cgroup_item", || one.cgroup_item("pids.max")).trim(), "100");
    let null = Device::Node("/dev/null".into());
    watch.call("add_device", || one.add_device(&null, Some("/dev/other-null")));
    watch.call("remove_device", || one.remove_device(&null, Some("/dev/other-null")));
    assert_eq!(watch.call("active", || Container::active(lxcpath).map(|all| all.len())), 1);
    watch.call("interfaces", || one.interfaces().map(|all| all.len()));
    watch.call("freeze", || one.freeze(Duration::from_secs(10)));
    watch.call("unfreeze", || one.unfreeze());
    watch.call("start", || Ok(one.start(&start).unwrap_err().kind));
    watch.call("reboot", || one.reboot(soon));
    let init = one.init_pid().unwrap();
    assert!(listens(init), "init {init} does not listen to signals");
    assert!(watch.call("shut_down", || one.shut_down(soon)));
    watch.call("start", || {
        one.start(&Start { command: vec!["/bin/sleep".into(), "600".into()], ..start })
    });
    watch.call("stop", || one.stop());
    let copy = watch.call("to_copy", || Ok(one.to_copy(&two)));
    watch.call("copy", || one.copy(&Copy { keep_mac: true, ..copy }));
    watch.call("rename", || two.rename("t-libthree"));
    watch.call("snapshot", || one.snapshot(None));
    watch.call("snapshots", || one.snapshots().map(|all| all.len()));
    watch.call("restore_snapshot", || one.restore_snapshot("snap0", Some("t-libfour")));
    watch.call("restore_snapshot", || one.restore_snapshot("snap0", None));
    watch.call("destroy_snapshot", || one.destroy_snapshot("snap0"));
    watch.call("snapshot", || two.snapshot(None));
    watch.call("destroy_with_snapshots", || two.destroy_with_snapshots());
    watch.call("set_lxcpath", || two.set_lxcpath(&lxcpath.join("elsewhere")));
    let mut four = watch.call("new", || Container::new("t-libfour", Some(lxcpath)));
    watch.call("destroy", || four.destroy());
    watch.call("destroy", || one.destroy());
    watch.call("destroy", || Ok(one.destroy().unwrap_err().kind));
    std::fs::remove_file(config).unwrap();
    println!("{}", if watch.changed { "changed" } else { "unchanged" });
    ExitCode::from(u8::from(watch.changed))
}
