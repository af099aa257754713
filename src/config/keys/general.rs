//! Identity, init, signals, start, logs, environment, hooks, namespaces.

use super::super::key::{Field, Key, Refusal};
use super::super::model::{Arch, HookStage, Namespace};
use super::super::origin::Located;
use super::super::value::{flag, number, signal, time_offset};
use super::{list, optional, path, scalar, show_flag, show_path, text};

pub(super) const KEYS: &[Key] = &[
    optional!("lxc.arch", arch, arch, show_arch, "Architecture that programs inside see"),
    optional!("lxc.uts.name", uts_name, hostname, String::clone, "Hostname"),
    optional!(
        "lxc.init.cmd",
        init_cmd,
        text,
        String::clone,
        "Command to start instead of /sbin/init"
    ),
    optional!(
        "lxc.execute.cmd",
        execute_cmd,
        text,
        String::clone,
        "Command of lxc-execute without one"
    ),
    optional!("lxc.init.cwd", init_cwd, path, show_path, "Working directory of init"),
    scalar!("lxc.init.uid", init_uid, number::<u32>, u32::to_string, "User id of init, inside"),
    scalar!("lxc.init.gid", init_gid, number::<u32>, u32::to_string, "Group id of init, inside"),
    Key {
        name: "lxc.init.groups",
        help: "Supplementary group ids of init, separated by commas",
        set: |config, field| {
            for word in field.value.split(',') {
                config.init_groups.push(number(word.trim())?);
            }
            Ok(())
        },
        clear: |config, _| config.init_groups.clear(),
        get: |config, _| {
            let groups: Vec<String> = config.init_groups.iter().map(u32::to_string).collect();
            Some(groups.join(","))
        },
    },
    scalar!("lxc.ephemeral", ephemeral, flag, show_flag, "Destroy the container when it stops"),
    optional!(
        "lxc.signal.halt",
        signal_halt,
        signal,
        i32::to_string,
        "Signal for a clean shutdown"
    ),
    optional!("lxc.signal.reboot", signal_reboot, signal, i32::to_string, "Signal for a reboot"),
    optional!("lxc.signal.stop", signal_stop, signal, i32::to_string, "Signal for a hard stop"),
    scalar!("lxc.start.auto", start.auto, flag, show_flag, "Start the container at boot"),
    scalar!(
        "lxc.start.delay",
        start.delay,
        number::<u32>,
        u32::to_string,
        "Seconds to wait after its start"
    ),
    scalar!(
        "lxc.start.order",
        start.order,
        number::<i32>,
        i32::to_string,
        "Lower ones start earlier"
    ),
    Key {
        name: "lxc.group",
        help: "Groups of containers it belongs to",
        set: |config, field| {
            config.start.groups.extend(field.value.split_whitespace().map(str::to_owned));
            Ok(())
        },
        clear: |config, _| config.start.groups.clear(),
        get: |config, _| Some(super::lines(config.start.groups.iter().cloned())),
    },
    scalar!(
        "lxc.monitor.unshare",
        monitor_unshare,
        flag,
        show_flag,
        "Give the monitor a mount namespace of its own"
    ),
    optional!(
        "lxc.monitor.signal.pdeath",
        monitor_pdeath,
        pdeath,
        i32::to_string,
        "Signal for init when the monitor dies, 0 for none"
    ),
    scalar!(
        "lxc.no_new_privs",
        no_new_privs,
        flag,
        show_flag,
        "No program inside gains privileges by exec"
    ),
    scalar!(
        "lxc.keyring.session",
        keyring_keep,
        flag,
        show_flag,
        "1 keeps the caller's session keyring"
    ),
    scalar!(
        "lxc.sched.core",
        sched_core,
        flag,
        show_flag,
        "Share no core with other containers' threads"
    ),
    optional!("lxc.log.file", log.file, path, show_path, "File of the container's log"),
    Key {
        name: "lxc.log.level",
        help: "Least level that is logged: 0 to 8, or TRACE to FATAL",
        set: |config, field| {
            config.log.level = Some(log_level(field.value)?);
            Ok(())
        },
        clear: |config, _| config.log.level = None,
        get: |config, _| Some(config.log.level_word().to_owned()),
    },
    optional!(
        "lxc.log.syslog",
        log.syslog,
        syslog_facility,
        String::clone,
        "Facility of the system log"
    ),
    Key {
        name: "lxc.environment",
        help: "Variable for programs and hooks inside: NAME=VALUE, or NAME to take the caller's",
        set: |config, field| add_variable(field, |variable| config.environment.push(variable)),
        clear: |config, _| config.environment.clear(),
        get: |config, _| Some(super::lines(config.environment.iter().map(|one| one.value.clone()))),
    },
    Key {
        name: "lxc.environment.runtime",
        help: "Variable for programs inside, not for hooks",
        set: |config, field| {
            add_variable(field, |variable| config.environment_runtime.push(variable))
        },
        clear: |config, _| config.environment_runtime.clear(),
        get: |config, _| {
            Some(super::lines(config.environment_runtime.iter().map(|one| one.value.clone())))
        },
    },
    Key {
        name: "lxc.environment.hooks",
        help: "Variable for hooks that run inside, not for programs",
        set: |config, field| {
            add_variable(field, |variable| config.environment_hooks.push(variable))
        },
        clear: |config, _| config.environment_hooks.clear(),
        get: |config, _| {
            Some(super::lines(config.environment_hooks.iter().map(|one| one.value.clone())))
        },
    },
    Key {
        name: "lxc.hook.version",
        help: "How hooks get their arguments: 0 as words, 1 as variables",
        set: |config, field| {
            config.hook_version = match field.value {
                "0" => 0,
                "1" => 1,
                _ => return Err("write 0 or 1".into()),
            };
            Ok(())
        },
        clear: |config, _| config.hook_version = 0,
        get: |config, _| Some(config.hook_version.to_string()),
    },
    Key {
        name: "lxc.hook.*",
        help: "Command to run at a stage: pre-start, pre-mount, mount, autodev, start-host, start, stop, post-stop, clone, destroy",
        set: |config, field| {
            let stage = hook_stage(field.rest).ok_or("there is no such stage")?;
            let command = Located::new(field.value.to_owned(), field.origin.cloned());
            config.hooks.entry(stage).or_default().push(command);
            Ok(())
        },
        clear: |config, rest| {
            config.hooks.retain(|stage, _| !rest.is_empty() && stage.word() != rest);
        },
        get: |config, rest| {
            let commands = config.hooks.get(&hook_stage(rest)?);
            let commands = commands.into_iter().flatten();
            Some(super::lines(commands.map(|one| one.value.clone())))
        },
    },
    Key {
        name: "lxc.namespace.clone",
        help: "The only namespaces the container gets of its own",
        set: |config, field| {
            let kinds = config.namespace_clone.get_or_insert_default();
            kinds.extend(namespaces(field.value)?);
            Ok(())
        },
        clear: |config, _| config.namespace_clone = None,
        get: |config, _| Some(show_namespaces(config.namespace_clone.as_deref())),
    },
    Key {
        name: "lxc.namespace.keep",
        help: "Namespaces the container does not get of its own",
        set: |config, field| {
            let kinds = config.namespace_keep.get_or_insert_default();
            kinds.extend(namespaces(field.value)?);
            Ok(())
        },
        clear: |config, _| config.namespace_keep = None,
        get: |config, _| Some(show_namespaces(config.namespace_keep.as_deref())),
    },
    Key {
        name: "lxc.namespace.share.*",
        help: "Whose namespace of that kind to join: a pid, a container's name or path",
        set: |config, field| {
            let kind = namespace(field.rest).ok_or("there is no such namespace")?;
            let whose = Located::new(field.value.to_owned(), field.origin.cloned());
            config.namespace_share.insert(kind, whose);
            Ok(())
        },
        clear: |config, rest| {
            config.namespace_share.retain(|kind, _| !rest.is_empty() && kind.name() != rest);
        },
        get: |config, rest| {
            let whose = config.namespace_share.get(&namespace(rest)?);
            Some(whose.map(|one| one.value.clone()).unwrap_or_default())
        },
    },
    optional!(
        "lxc.time.offset.boot",
        time_boot,
        time_offset,
        show_offset,
        "Offset of the boot time clock"
    ),
    optional!(
        "lxc.time.offset.monotonic",
        time_monotonic,
        time_offset,
        show_offset,
        "Offset of the monotonic clock"
    ),
    list!(
        "lxc.idmap",
        idmap,
        super::super::value::idmap,
        show_idmap,
        "Ids of the user namespace: u or g, first inside, first outside, count"
    ),
];

fn arch(value: &str) -> Result<Arch, Refusal> {
    const BITS_32: [&str; 15] = [
        "arm", "armel", "armhf", "armv7l", "athlon", "i386", "i486", "i586", "i686", "linux32",
        "mips", "mipsel", "ppc", "powerpc", "x86",
    ];
    const BITS_64: [&str; 15] = [
        "aarch64",
        "amd64",
        "arm64",
        "linux64",
        "loongarch64",
        "loong64",
        "mips64",
        "mips64el",
        "ppc64",
        "ppc64el",
        "ppc64le",
        "powerpc64",
        "riscv64",
        "s390x",
        "x86_64",
    ];
    if BITS_32.contains(&value) || value == "x32" {
        Ok(Arch::Bits32)
    } else if BITS_64.contains(&value) {
        Ok(Arch::Bits64)
    } else {
        Err(format!("write one of: {} {}", BITS_64.join(" "), BITS_32.join(" ")))
    }
}

fn show_arch(arch: &Arch) -> String {
    match arch {
        Arch::Bits32 => "i686",
        Arch::Bits64 => "x86_64",
    }
    .to_owned()
}

fn hostname(value: &str) -> Result<String, Refusal> {
    // __NEW_UTS_LEN (linux/utsname.h).
    if value.len() <= 64 { text(value) } else { Err("a hostname has at most 64 bytes".into()) }
}

fn pdeath(value: &str) -> Result<i32, Refusal> {
    if value == "0" { Ok(0) } else { signal(value) }
}

fn log_level(value: &str) -> Result<u8, Refusal> {
    const WORDS: [&str; 9] =
        ["trace", "debug", "info", "notice", "warn", "error", "crit", "alert", "fatal"];
    let word = value.to_ascii_lowercase();
    let by_word = (0..).zip(WORDS).find(|(_, known)| *known == word).map(|(level, _)| level);
    by_word
        .or_else(|| value.parse().ok().filter(|level| *level <= 8))
        .ok_or_else(|| format!("write 0 to 8, or one of: {}", WORDS.join(" ")))
}

fn syslog_facility(value: &str) -> Result<String, Refusal> {
    let is_local = value.strip_prefix("local").is_some_and(|number| {
        number.len() == 1 && number.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
    });
    if value == "daemon" || is_local {
        text(value)
    } else {
        Err("write daemon, or local0 to local7".into())
    }
}

fn add_variable(field: Field<'_>, add: impl FnOnce(Located<String>)) -> Result<(), Refusal> {
    let variable = if field.value.contains('=') {
        field.value.to_owned()
    } else {
        let value = std::env::var(field.value)
            .map_err(|_| format!("{} is not set here; write NAME=VALUE", field.value))?;
        format!("{}={value}", field.value)
    };
    add(Located::new(variable, field.origin.cloned()));
    Ok(())
}

fn hook_stage(word: &str) -> Option<HookStage> {
    HookStage::ALL.into_iter().find(|stage| stage.word() == word)
}

fn namespace(word: &str) -> Option<Namespace> {
    Namespace::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(word))
}

fn namespaces(value: &str) -> Result<Vec<Namespace>, Refusal> {
    value
        .split_whitespace()
        .map(|word| namespace(word).ok_or_else(|| format!("there is no namespace {word}")))
        .collect()
}

fn show_namespaces(kinds: Option<&[Namespace]>) -> String {
    let kinds = kinds.unwrap_or_default();
    super::lines(Namespace::ALL.iter().filter(|kind| kinds.contains(kind)).map(|k| k.name().into()))
}

fn show_offset(nanoseconds: &i64) -> String {
    if nanoseconds % 1_000_000_000 == 0 {
        format!("{}s", nanoseconds / 1_000_000_000)
    } else {
        format!("{nanoseconds}ns")
    }
}

fn show_idmap(map: &super::super::model::IdMap) -> String {
    let kind = if map.kind == super::super::model::IdKind::User { 'u' } else { 'g' };
    format!("{kind} {} {} {}", map.inside, map.outside, map.range)
}
