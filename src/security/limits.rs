//! Resource limits by name (getrlimit(2), `lxc.prlimit.NAME`).

use nix::sys::resource::Resource;

use crate::error::{Error, Result};

/// Names and numbers (asm-generic/resource.h).
const LIMITS: [(&str, Resource); 16] = [
    ("as", Resource::RLIMIT_AS),
    ("core", Resource::RLIMIT_CORE),
    ("cpu", Resource::RLIMIT_CPU),
    ("data", Resource::RLIMIT_DATA),
    ("fsize", Resource::RLIMIT_FSIZE),
    ("locks", Resource::RLIMIT_LOCKS),
    ("memlock", Resource::RLIMIT_MEMLOCK),
    ("msgqueue", Resource::RLIMIT_MSGQUEUE),
    ("nice", Resource::RLIMIT_NICE),
    ("nofile", Resource::RLIMIT_NOFILE),
    ("nproc", Resource::RLIMIT_NPROC),
    ("rss", Resource::RLIMIT_RSS),
    ("rtprio", Resource::RLIMIT_RTPRIO),
    ("rttime", Resource::RLIMIT_RTTIME),
    ("sigpending", Resource::RLIMIT_SIGPENDING),
    ("stack", Resource::RLIMIT_STACK),
];

/// The number of the limit `name`.
pub fn number(name: &str) -> Result<u32> {
    LIMITS.iter().find(|(known, _)| *known == name).map(|(_, limit)| *limit as u32).ok_or_else(
        || {
            let names: Vec<&str> = LIMITS.iter().map(|(known, _)| *known).collect();
            Error::new(format!("unknown limit lxc.prlimit.{name}"))
                .hint(format!("there are: {}", names.join(" ")))
        },
    )
}
