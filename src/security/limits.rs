//! Resource limits by name (getrlimit(2), `lxc.prlimit.NAME`).

use crate::error::{Error, Result};

/// Names and numbers (asm-generic/resource.h).
const LIMITS: [(&str, u32); 16] = [
    ("as", libc::RLIMIT_AS),
    ("core", libc::RLIMIT_CORE),
    ("cpu", libc::RLIMIT_CPU),
    ("data", libc::RLIMIT_DATA),
    ("fsize", libc::RLIMIT_FSIZE),
    ("locks", libc::RLIMIT_LOCKS),
    ("memlock", libc::RLIMIT_MEMLOCK),
    ("msgqueue", libc::RLIMIT_MSGQUEUE),
    ("nice", libc::RLIMIT_NICE),
    ("nofile", libc::RLIMIT_NOFILE),
    ("nproc", libc::RLIMIT_NPROC),
    ("rss", libc::RLIMIT_RSS),
    ("rtprio", libc::RLIMIT_RTPRIO),
    ("rttime", libc::RLIMIT_RTTIME),
    ("sigpending", libc::RLIMIT_SIGPENDING),
    ("stack", libc::RLIMIT_STACK),
];

/// The number of the limit `name`.
pub fn number(name: &str) -> Result<u32> {
    LIMITS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number).ok_or_else(|| {
        let names: Vec<&str> = LIMITS.iter().map(|(known, _)| *known).collect();
        Error::new(format!("unknown limit lxc.prlimit.{name}"))
            .hint(format!("there are: {}", names.join(" ")))
    })
}
