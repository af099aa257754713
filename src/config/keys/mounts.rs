//! Root filesystem and mounts.

use super::super::key::{Form, Key, OWN, Refusal};
use super::super::model::{AutoCgroup, AutoMode, MountAuto, RootfsPath};
use super::super::value::{bytes, flag, show_bytes};
use super::{list, optional, path, show_flag, show_path, text};
use crate::origin::Located;

pub(super) const KEYS: &[Key] = &[
    optional!(
        "lxc.rootfs.path",
        rootfs.path,
        rootfs_path,
        show_rootfs_path,
        "Root filesystem, with its storage back-end before it"
    )
    .form(Form::Other("[BACKEND:]SOURCE"))
    .example("dir:/var/lib/lxc/web1/rootfs")
    .default("the host's"),
    Key {
        name: "lxc.rootfs.mount",
        help: "Where it is mounted before it becomes the root",
        set: |config, field| {
            config.rootfs.mount = Some(path(field.value)?);
            Ok(())
        },
        clear: |config, _| config.rootfs.mount = None,
        get: |config, _| {
            let default = crate::paths::rootfs_mount;
            Some(show_path(&config.rootfs.mount.clone().unwrap_or_else(default)))
        },
        ..super::ROW
    }
    .form(Form::Path)
    .default("PREFIX/lib/lxc/rootfs, or RUNDIR/lxc/rootfs if that is missing"),
    optional!(
        "lxc.rootfs.options",
        rootfs.options,
        rootfs_options,
        String::clone,
        "Mount options of the root filesystem; idmap=container maps its ids, with nodev unless dev is given"
    )
    .form(Form::Other("OPTION[,OPTION]..."))
    .example("noatime,idmap=container"),
    Key {
        name: "lxc.rootfs.managed",
        help: "Whether lxc-destroy and lxc-copy may touch the root filesystem",
        set: |config, field| {
            config.rootfs.managed = Some(flag(field.value)?);
            Ok(())
        },
        clear: |config, _| config.rootfs.managed = None,
        get: |config, _| Some(show_flag(&config.rootfs.managed.unwrap_or(true))),
        ..super::ROW
    }
    .form(Form::Flag)
    .default("1")
    .since("3.1"),
    optional!(
        "lxc.rootfs.size",
        rootfs.size,
        bytes,
        show_bytes,
        "How much of the disk the root filesystem may take"
    )
    .form(Form::Other("BYTES | N K | N M | N G | N T"))
    .example("10G")
    .default("all there is")
    .since(OWN)
    .live("lxc-rs storage size"),
    optional!(
        "lxc.mount.fstab",
        mount_fstab,
        path,
        show_path,
        "File with lines for lxc.mount.entry, which come before the others"
    )
    .form(Form::Path),
    list!(
        "lxc.mount.entry",
        mount_entries,
        text,
        String::clone,
        "A mount below the root filesystem, as a line of fstab(5)"
    )
    .form(Form::Other("SOURCE TARGET TYPE OPTIONS [0 0]"))
    .example("/srv/data srv/data none bind,ro,create=dir 0 0"),
    Key {
        name: "lxc.mount.auto",
        help: "Mounts that are made by themselves; of each kind the last counts",
        set: |config, field| {
            for word in field.value.split_whitespace() {
                set_auto(&mut config.mount_auto, word)
                    .map_err(|refusal| Refusal::of(word, refusal.hint))?;
            }
            Ok(())
        },
        clear: |config, _| config.mount_auto = MountAuto::default(),
        get: |config, _| Some(show_auto(&config.mount_auto).join(" ")),
        ..super::ROW
    }
    .list()
    .form(Form::Other(
        "proc[:mixed|:rw] | sys[:ro|:rw|:mixed] | cgroup[-full][:ro|:rw|:mixed][:force] | \
         cgroup2[:ro][:force] | shmounts:HOSTDIR[:DIR]",
    ))
    .example("proc:mixed sys:ro cgroup:mixed"),
];

#[expect(clippy::unnecessary_wraps, reason = "one of the parsers that rows name")]
fn rootfs_path(value: &str) -> Result<RootfsPath, Refusal> {
    Ok(match value.split_once(':') {
        Some((backend, source)) if !backend.contains('/') => {
            RootfsPath { backend: Some(backend.into()), source: source.into() }
        }
        // The name of a directory may contain a colon.
        _ => RootfsPath { backend: None, source: value.into() },
    })
}

fn rootfs_options(value: &str) -> Result<String, Refusal> {
    let of_entries =
        |option: &&str| option.starts_with("create=") || matches!(*option, "optional" | "relative");
    match value.split(',').find(of_entries) {
        Some(option) => Err(Refusal::of(option, "only lxc.mount.entry has this option")),
        None => text(value),
    }
}

fn show_rootfs_path(path: &RootfsPath) -> String {
    path.source.clone()
}

fn set_auto(auto: &mut MountAuto, word: &str) -> Result<(), Refusal> {
    let mut parts = word.split(':');
    let family = parts.next().unwrap_or_default();
    if family == "shmounts" {
        let host = parts.next().filter(|host| !host.is_empty());
        let host = host.ok_or("write shmounts:HOSTDIR, or shmounts:HOSTDIR:CONTAINERDIR")?;
        auto.shmounts = Some((host.into(), parts.next().map(Into::into)));
        return Ok(());
    }
    let mut mode = None;
    let mut force = false;
    for part in parts {
        match part {
            "ro" => mode = Some(AutoMode::ReadOnly),
            "rw" => mode = Some(AutoMode::ReadWrite),
            "mixed" => mode = Some(AutoMode::Mixed),
            "force" if family.starts_with("cgroup") => force = true,
            _ => {
                return Err(":ro, :rw or :mixed may follow, and :force with cgroup".into());
            }
        }
    }
    match family {
        "proc" if mode == Some(AutoMode::ReadOnly) => {
            return Err("write proc:mixed or proc:rw".into());
        }
        "proc" => auto.proc = Some(mode.unwrap_or(AutoMode::Mixed)),
        "sys" => auto.sys = Some(mode.unwrap_or(AutoMode::Mixed)),
        "cgroup" | "cgroup-full" | "cgroup2" => {
            let (full, unified) = (family == "cgroup-full", family == "cgroup2");
            auto.cgroup = Some(AutoCgroup { mode, full, unified, force });
        }
        _ => {
            return Err("there are: proc, sys, cgroup, cgroup-full, cgroup2, shmounts".into());
        }
    }
    Ok(())
}

fn show_auto(auto: &MountAuto) -> Vec<String> {
    let mode = |mode: AutoMode| match mode {
        AutoMode::ReadOnly => ":ro",
        AutoMode::ReadWrite => ":rw",
        AutoMode::Mixed => ":mixed",
    };
    let mut words = Vec::new();
    words.extend(auto.proc.map(|one| format!("proc{}", mode(one))));
    words.extend(auto.sys.map(|one| format!("sys{}", mode(one))));
    words.extend(auto.cgroup.map(|one| {
        let family = match one {
            AutoCgroup { unified: true, .. } => "cgroup2",
            AutoCgroup { full: true, .. } => "cgroup-full",
            AutoCgroup { .. } => "cgroup",
        };
        let force = if one.force { ":force" } else { "" };
        format!("{family}{}{force}", one.mode.map(mode).unwrap_or_default())
    }));
    words.extend(auto.shmounts.as_ref().map(|(host, inside)| {
        let inside = inside.as_ref().map(|path| format!(":{}", path.display()));
        format!("shmounts:{}{}", host.display(), inside.unwrap_or_default())
    }));
    words
}
