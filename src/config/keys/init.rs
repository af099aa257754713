//! Identity, init, signals, start, monitor, logs.

use super::super::key::{Form, Key, Refusal};
use super::super::model::Arch;
use super::super::value::{id, number, signal};
use super::{one_of, optional, path, scalar, show_path, switch, text};

/// A row for a signal; unset ones read as 0.
macro_rules! signal {
    ($name:literal, $field:ident, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                config.$field = Some(signal(field.value)?);
                Ok(())
            },
            clear: |config, _| config.$field = None,
            get: |config, _| Some(config.$field.unwrap_or(0).to_string()),
            ..super::ROW
        }
        .form(Form::Signal)
    };
}

/// Architectures whose programs get a 32-bit personality.
const BITS_32: [&str; 16] = [
    "arm", "armel", "armhf", "armv7l", "athlon", "i386", "i486", "i586", "i686", "linux32", "mips",
    "mipsel", "ppc", "powerpc", "x32", "x86",
];
/// The others.
const BITS_64: [&str; 15] = [
    "aarch64",
    "amd64",
    "arm64",
    "linux64",
    "loong64",
    "loongarch64",
    "mips64",
    "mips64el",
    "powerpc64",
    "ppc64",
    "ppc64el",
    "ppc64le",
    "riscv64",
    "s390x",
    "x86_64",
];
const LEVELS: [&str; 9] =
    ["trace", "debug", "info", "notice", "warn", "error", "crit", "alert", "fatal"];
const FACILITIES: [&str; 9] =
    ["daemon", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"];

pub(super) const KEYS: &[Key] = &[
    optional!("lxc.arch", arch, arch, show_arch, "Architecture that programs inside see")
        .form(Form::Other("x86_64 | i686 | arm64 | armhf | ..."))
        .example("i686")
        .default("the host's"),
    optional!("lxc.uts.name", uts_name, hostname, String::clone, "Hostname")
        .example("web1")
        .default("the host's"),
    optional!("lxc.init.cmd", init_cmd, text, String::clone, "Command of a container that boots")
        .form(Form::Command)
        .default("/sbin/init"),
    optional!(
        "lxc.execute.cmd",
        execute_cmd,
        text,
        String::clone,
        "Command of lxc-execute where none is given"
    )
    .form(Form::Command)
    .since("3.0"),
    optional!("lxc.init.cwd", init_cwd, path, show_path, "Working directory of init")
        .form(Form::Path)
        .default("/")
        .since("3.0"),
    scalar!("lxc.init.uid", init_uid, id, u32::to_string, "User id of init, inside")
        .form(Form::Number)
        .default("0"),
    scalar!("lxc.init.gid", init_gid, id, u32::to_string, "Group id of init, inside")
        .form(Form::Number)
        .default("0"),
    Key {
        name: "lxc.init.groups",
        help: "Supplementary group ids of init, comma separated",
        set: |config, field| {
            for word in field.value.split(',').map(str::trim) {
                let group =
                    id(word).map_err(|_| Refusal::of(word, "write group ids, such as 5,27"))?;
                config.init_groups.push(group);
            }
            Ok(())
        },
        clear: |config, _| config.init_groups.clear(),
        get: |config, _| {
            let groups: Vec<String> = config.init_groups.iter().map(u32::to_string).collect();
            Some(groups.join(","))
        },
        ..super::ROW
    }
    .list()
    .form(Form::Other("NUMBER[,NUMBER]..."))
    .example("5,27")
    .default("none")
    .since("5.0"),
    switch!("lxc.ephemeral", ephemeral, "Destroy the container when it stops"),
    signal!("lxc.signal.halt", signal_halt, "Signal that asks init for a clean shutdown")
        .default("SIGPWR, or SIGRTMIN+3 where init is systemd"),
    signal!("lxc.signal.reboot", signal_reboot, "Signal that asks init for a reboot")
        .default("SIGINT"),
    signal!("lxc.signal.stop", signal_stop, "Signal that ends init at once").default("SIGKILL"),
    switch!("lxc.start.auto", start.auto, "Start the container at boot"),
    scalar!(
        "lxc.start.delay",
        start.delay,
        number::<u32>,
        u32::to_string,
        "Seconds to wait after its start before the next container's"
    )
    .form(Form::Number)
    .default("0"),
    scalar!(
        "lxc.start.order",
        start.order,
        number::<i32>,
        i32::to_string,
        "Place among those started at boot, lower ones first"
    )
    .form(Form::Integer)
    .default("0"),
    Key {
        name: "lxc.group",
        help: "Groups of containers it belongs to, for lxc-autostart",
        set: |config, field| {
            config.start.groups.extend(field.value.split_whitespace().map(str::to_owned));
            Ok(())
        },
        clear: |config, _| config.start.groups.clear(),
        get: |config, _| Some(super::lines(config.start.groups.iter().cloned())),
        ..super::ROW
    }
    .list()
    .form(Form::Other("NAME..."))
    .example("onboot web"),
    scalar!(
        "lxc.monitor.unshare",
        monitor_unshare,
        |value| number::<u32>(value).map(|number| number > 0),
        super::show_flag,
        "Give the monitor a mount namespace of its own"
    )
    .form(Form::Flag)
    .default("0"),
    Key {
        name: "lxc.monitor.signal.pdeath",
        help: "Signal that init gets when the monitor dies, 0 for none",
        set: |config, field| {
            let none = field.value == "0";
            config.monitor_pdeath = Some(if none { 0 } else { signal(field.value)? });
            Ok(())
        },
        clear: |config, _| config.monitor_pdeath = None,
        get: |config, _| Some(config.monitor_pdeath.unwrap_or(libc::SIGKILL).to_string()),
        ..super::ROW
    }
    .form(Form::Signal)
    .default("SIGKILL")
    .since("3.1"),
    switch!(
        "lxc.no_new_privs",
        no_new_privs,
        "Keep programs inside from gaining privileges by execve(2)"
    ),
    switch!(
        "lxc.keyring.session",
        keyring_keep,
        "Keep the caller's session keyring instead of making a new one"
    )
    .since("4.0"),
    switch!("lxc.sched.core", sched_core, "Share no processor core with threads from outside")
        .since("5.0"),
    optional!("lxc.log.file", log.file, path, show_path, "File of the container's log")
        .form(Form::Path),
    Key {
        name: "lxc.log.level",
        help: "Least level that is logged: a word, or its number from 0",
        set: |config, field| {
            config.log.level = Some(log_level(field.value)?);
            Ok(())
        },
        clear: |config, _| config.log.level = None,
        get: |config, _| {
            let word = config.log.level.map(|_| config.log.level_word());
            Some(word.unwrap_or("NOTSET").to_owned())
        },
        ..super::ROW
    }
    .form(Form::OneOf(&LEVELS))
    .default("error"),
    optional!(
        "lxc.log.syslog",
        log.syslog,
        |value| one_of(&FACILITIES, value),
        String::clone,
        "Facility of the system log that gets the log, too"
    )
    .form(Form::OneOf(&FACILITIES)),
];

fn arch(value: &str) -> Result<Arch, Refusal> {
    if BITS_32.contains(&value) {
        Ok(Arch::Bits32)
    } else if BITS_64.contains(&value) {
        Ok(Arch::Bits64)
    } else {
        Err(format!("write one of: {}, {}", BITS_64.join(", "), BITS_32.join(", ")).into())
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

fn log_level(value: &str) -> Result<u8, Refusal> {
    let word = value.to_ascii_lowercase();
    let by_word = (0..).zip(LEVELS).find(|(_, known)| *known == word).map(|(level, _)| level);
    by_word
        .or_else(|| value.parse().ok().filter(|level| *level <= 8))
        .ok_or_else(|| format!("write 0 to 8, or one of: {}", LEVELS.join(", ")).into())
}
