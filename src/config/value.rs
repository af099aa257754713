//! Parsers and printers of single values.

use caps::Capability;
use std::net::Ipv4Addr;

use super::key::Refusal;
use super::model::{Gateway, IdKind, IdMap, Ipv4Address, Ipv6Address, Rlimit};
use crate::table;

/// `0` or `1`.
pub fn flag(value: &str) -> Result<bool, Refusal> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("write 0 or 1".into()),
    }
}

/// A decimal number.
pub fn number<N: std::str::FromStr>(value: &str) -> Result<N, Refusal> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err("write a decimal number, without a unit".into());
    }
    value.parse().map_err(|_| "the number is too large, or below zero".into())
}

/// The number of a user or group. 2^32 - 1 means "no change" to the kernel: a process would stay what it is.
pub fn id(value: &str) -> Result<u32, Refusal> {
    number(value).and_then(|id| match id {
        u32::MAX => Err("this number is not an id".into()),
        _ => Ok(id),
    })
}

/// Standard signals by name (signal(7)), without `SIG`.
const SIGNALS: [(&str, i32); 36] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("IOT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("POLL", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
    ("UNUSED", libc::SIGSYS),
    ("INFO", libc::SIGPWR),
];

/// A signal: number, `SIGNAME`, `SIGRTMIN+N` or `SIGRTMAX-N`, in any case.
pub fn signal(value: &str) -> Result<i32, Refusal> {
    let refuse = || Refusal::from("write a number, or a name such as SIGPWR or SIGRTMIN+3");
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i32 = value.parse().map_err(|_| refuse())?;
        return if number <= libc::SIGRTMAX() { Ok(number) } else { Err(refuse()) };
    }
    let upper = value.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").ok_or_else(refuse)?;
    let number = if let Some(offset) = name.strip_prefix("RTMIN+") {
        libc::SIGRTMIN() + offset.parse::<i32>().map_err(|_| refuse())?
    } else if let Some(offset) = name.strip_prefix("RTMAX-") {
        libc::SIGRTMAX() - offset.parse::<i32>().map_err(|_| refuse())?
    } else {
        match name {
            "RTMIN" => libc::SIGRTMIN(),
            "RTMAX" => libc::SIGRTMAX(),
            _ => SIGNALS.iter().find(|(known, _)| *known == name).ok_or_else(refuse)?.1,
        }
    };
    if (1..=libc::SIGRTMAX()).contains(&number) { Ok(number) } else { Err(refuse()) }
}

/// Units of 1024 and its powers, the largest first.
const UNITS: [(&str, u32); 4] = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];

/// A number of bytes above 0 with an optional `K`, `M`, `G` or `T` (1024-based), which `B` or `iB` may follow.
pub fn bytes(value: &str) -> Result<u64, Refusal> {
    let refuse = || Refusal::from("write a number of bytes above 0, or one of K, M, G or T: 10G");
    let end = value.find(|character: char| !character.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    let unit = unit.trim().to_ascii_uppercase();
    let short = unit.strip_suffix("IB").or(unit.strip_suffix('B')).unwrap_or(&unit);
    let shift = match UNITS.iter().find(|(name, _)| *name == short) {
        Some((_, shift)) => *shift,
        None if unit.is_empty() || unit == "B" => 0,
        None => return Err(refuse()),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    // The kernel counts in signed numbers.
    number.filter(|number| (1..=i64::MAX.cast_unsigned()).contains(number)).ok_or_else(refuse)
}

/// A number of bytes as [`bytes()`] takes it, in the largest unit that it is a multiple of.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "one of the printers that rows name")]
pub fn show_bytes(bytes: &u64) -> String {
    let unit = UNITS.iter().find(|(_, shift)| *bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(name, shift)| format!("{}{name}", bytes >> shift))
}

/// A size in bytes with an optional `kB`, `MB` or `GB` (1024-based); `auto` is 128 KiB. Rounded up
/// to a power of two of at least a page.
pub fn console_size(value: &str) -> Result<u64, Refusal> {
    if value == "auto" {
        return Ok(128 * 1024);
    }
    let end = value.find(|character: char| !character.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" => 0,
        "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        _ => return Err("write a number of bytes, kB, MB or GB, or auto".into()),
    };
    let size = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    match size.and_then(|size| size.max(4096).checked_next_power_of_two()) {
        Some(size) => Ok(size),
        None => Err("write a number of bytes, kB, MB or GB, or auto".into()),
    }
}

const BEYOND: &str = "the last of these ids is beyond 4294967294";

/// `u|g INSIDE OUTSIDE RANGE`.
pub fn idmap(value: &str) -> Result<IdMap, Refusal> {
    let refuse =
        || Refusal::from("write: u or g, first id inside, first id outside, number of ids");
    let words: Vec<&str> = value.split_whitespace().collect();
    let [kind, inside, outside, range] = words[..] else {
        return Err(refuse());
    };
    let kind = match kind {
        "u" => IdKind::User,
        "g" => IdKind::Group,
        _ => return Err(refuse()),
    };
    // Decimal, octal or hexadecimal, as LXC reads it.
    let number = |word: &str| {
        let number =
            table::number(word).filter(|_| word.starts_with(|it: char| it.is_ascii_digit()));
        number.ok_or_else(refuse)?.try_into().map_err(|_| Refusal::from(BEYOND))
    };
    let map =
        IdMap { kind, inside: number(inside)?, outside: number(outside)?, range: number(range)? };
    // 4294967295 is nobody's id (-1, which means none).
    let fits = |first: u32| first.checked_add(map.range).is_some();
    if map.range == 0 {
        return Err("map one id at least".into());
    }
    if fits(map.inside) && fits(map.outside) { Ok(map) } else { Err(BEYOND.into()) }
}

/// A MAC address; each `x` becomes a random digit, the second one such that it is a unicast address.
pub fn mac(value: &str) -> Result<[u8; 6], Refusal> {
    let refuse = || Refusal::from("write six pairs of hexadecimal digits, x for a random one");
    let mut mac = [0; 6];
    let mut pairs = value.split(':');
    for byte in &mut mac {
        let pair = pairs.next().filter(|pair| pair.len() == 2).ok_or_else(refuse)?;
        for digit in pair.chars() {
            let digit = match digit {
                'x' | 'X' => u32::from(random_byte()? & 0xf),
                _ => digit.to_digit(16).ok_or_else(refuse)?,
            };
            *byte = *byte << 4 | u8::try_from(digit).unwrap_or(0);
        }
    }
    if pairs.next().is_some() {
        return Err(refuse());
    }
    if value[..2].contains(['x', 'X']) {
        mac[0] &= 0xfe;
    }
    Ok(mac)
}

/// A hardware address as it is written: `10:66:6a:4f:00:1d`.
pub fn show_mac(mac: &[u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn random_byte() -> Result<u8, Refusal> {
    use std::io::Read;
    let mut byte = [0];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut byte))
        .map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(byte[0])
}

/// `A.B.C.D[/PREFIX] [BROADCAST]`; without a prefix that of the address's class.
pub fn ipv4(value: &str) -> Result<Ipv4Address, Refusal> {
    let refuse = || Refusal::from("write an address such as 10.0.3.5/24");
    let mut words = value.split_whitespace();
    let (address, prefix) = match words.next().ok_or_else(refuse)?.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (value.split_whitespace().next().unwrap_or_default(), None),
    };
    let address: Ipv4Addr = address.parse().map_err(|_| refuse())?;
    let prefix = match prefix {
        Some(text) => text.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(refuse)?,
        None => match address.octets()[0] {
            0..128 => 8,
            128..192 => 16,
            _ => 24,
        },
    };
    let broadcast = match words.next() {
        Some(text) => Some(text.parse().map_err(|_| refuse())?),
        None if prefix < 31 => {
            let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            Some(Ipv4Addr::from(u32::from(address) | host_bits))
        }
        None => None,
    };
    if words.next().is_some() {
        return Err(refuse());
    }
    Ok(Ipv4Address { address, prefix, broadcast })
}

/// `ADDRESS[/PREFIX]`, 64 by default.
pub fn ipv6(value: &str) -> Result<Ipv6Address, Refusal> {
    let (address, prefix) = network(value, 128, 64)?;
    Ok(Ipv6Address { address, prefix })
}

/// `ADDRESS/PREFIX`.
pub fn network<A: std::str::FromStr>(
    value: &str,
    longest: u8,
    default: u8,
) -> Result<(A, u8), Refusal> {
    let refuse = || Refusal::from("write an address and the length of its network's prefix");
    let (address, prefix) = value.split_once('/').map_or((value, None), |(a, p)| (a, Some(p)));
    let prefix = match prefix {
        Some(text) => text.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(refuse)?,
        None => default,
    };
    Ok((address.parse().map_err(|_| refuse())?, prefix))
}

/// An address, `auto` or `dev`.
pub fn gateway<A: std::str::FromStr>(value: &str) -> Result<Gateway<A>, Refusal> {
    match value {
        "auto" => Ok(Gateway::Auto),
        "dev" => Ok(Gateway::Device),
        _ => {
            value.parse().map(Gateway::Address).map_err(|_| "write an address, auto or dev".into())
        }
    }
}

/// A gateway as it is written.
pub fn print_gateway<A: ToString>(gateway: &Gateway<A>) -> String {
    match gateway {
        Gateway::Address(address) => address.to_string(),
        Gateway::Auto => "auto".into(),
        Gateway::Device => "dev".into(),
    }
}

/// `SOFT[:HARD]`, numbers or `unlimited`; one is both.
pub fn rlimit(value: &str) -> Result<Rlimit, Refusal> {
    let one = |text: &str| match text.trim() {
        "unlimited" => Ok(None),
        text => text.parse().map(Some).map_err(|_| "write SOFT:HARD, numbers or unlimited"),
    };
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    let limit = Rlimit { soft: one(soft)?, hard: one(hard)? };
    Ok(limit)
}

/// A limit as it is written.
pub fn print_rlimit(limit: &Rlimit) -> String {
    let one = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    if limit.soft == limit.hard {
        one(limit.soft)
    } else {
        format!("{}:{}", one(limit.soft), one(limit.hard))
    }
}

/// A signed number and a unit, as nanoseconds.
pub fn time_offset(value: &str) -> Result<i64, Refusal> {
    let refuse = || Refusal::from("write a number and one of h, m, s, ms, us, ns, such as 90 s");
    let value = value.trim();
    let end = value
        .find(|character: char| character != '-' && !character.is_ascii_digit())
        .ok_or_else(refuse)?;
    let (number, unit) = value.split_at(end);
    let scale: i64 = match unit.trim() {
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" => 1_000,
        "ns" => 1,
        _ => return Err(refuse()),
    };
    number.parse::<i64>().ok().and_then(|number| number.checked_mul(scale)).ok_or_else(refuse)
}

/// The number of a capability by its name without `CAP_`, or by its number.
pub fn capability(word: &str) -> Option<u8> {
    if let Ok(number) = word.parse::<u8>() {
        return (number < 64).then_some(number);
    }
    if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let capability: Capability = format!("CAP_{}", word.to_uppercase()).parse().ok()?;
    Some(capability.index())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units_and_are_above_zero() {
        for (text, number) in [("1", 1), ("10G", 10 << 30), ("3 MB", 3 << 20), ("2kib", 2048)] {
            assert_eq!(bytes(text), Ok(number), "{text}");
        }
        assert_eq!(show_bytes(&(10 << 30)), "10G");
        assert_eq!(show_bytes(&1500), "1500");
        for bad in ["0", "", "G", "-1", "1.5G", "1P", "1iB", "9223372036854775808", "99999999T"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn capabilities_by_name_and_capability() {
        assert_eq!(capability("chown"), Some(0));
        assert_eq!(capability("sys_admin"), Some(21));
        assert_eq!(capability("21"), Some(21));
        for bad in ["CAP_CHOWN", "cap_chown", "nope", "64", "-1", ""] {
            assert_eq!(capability(bad), None, "{bad}");
        }
    }

    #[test]
    fn signals_by_number_and_name() {
        assert_eq!(signal("9"), Ok(9));
        assert_eq!(signal("sigpwr"), Ok(libc::SIGPWR));
        assert_eq!(signal("SIGRTMIN+3"), Ok(37));
        assert_eq!(signal("SIGRTMAX-1"), Ok(63));
        for bad in ["PWR", "SIGNOPE", "99", "-1", "SIGRTMIN+99", "9x"] {
            assert!(signal(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ipv4_prefix_and_broadcast_follow_the_rules() {
        let address = |text| ipv4(text).unwrap();
        assert_eq!(address("10.0.3.5/24").broadcast, Some(Ipv4Addr::new(10, 0, 3, 255)));
        assert_eq!(address("192.168.1.2").prefix, 24);
        assert_eq!(address("10.1.2.3").prefix, 8);
        assert_eq!(address("10.0.0.1/31").broadcast, None);
        assert_eq!(address("10.0.0.1/0").broadcast, Some(Ipv4Addr::BROADCAST));
        assert_eq!(address("10.0.0.1/24 10.0.0.254").broadcast, Some(Ipv4Addr::new(10, 0, 0, 254)));
        for bad in ["10.0.0.1/33", "10.0.0", "", "10.0.0.1/24 x", "1.2.3.4/8 1.2.3.4 y"] {
            assert!(ipv4(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn random_mac_is_unicast_and_keeps_its_prefix() {
        for _ in 0..50 {
            assert_eq!(mac("xx:16:3e:xx:xx:xx").unwrap()[0] & 1, 0);
            assert_eq!(mac("00:16:3e:xx:xx:xx").unwrap()[..3], [0, 0x16, 0x3e]);
        }
        for bad in
            ["00:16:3e:xx:xx", "00:16:3e:xx:xx:xx:xx", "0g:16:3e:xx:xx:xx", "äx:00:00:00:00:00"]
        {
            assert!(mac(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_round_up_to_powers_of_two() {
        assert_eq!(console_size("auto"), Ok(131_072));
        assert_eq!(console_size("1"), Ok(4096));
        assert_eq!(console_size("5 kB"), Ok(8192));
        assert!(console_size("99999999999 GB").is_err());
        assert!(console_size("1 KiB").is_err());
    }

    #[test]
    fn idmap_must_fit_32_bits() {
        assert!(idmap("u 0 100000 65536").is_ok());
        let octal = IdMap { kind: IdKind::Group, inside: 8, outside: 256, range: 16 };
        assert_eq!(idmap("g 010 0x100\t 0x10"), Ok(octal));
        assert!(idmap("u 0 0 4294967295").is_ok());
        for bad in [
            "b 0 1 1",
            "u 0 1",
            "u 0 1 0",
            "u 0 4294967294 2",
            "u 0 4294967295 1",
            "u 1 0 4294967295",
            "u 0 1 1 1",
            "u -1 1 1",
            "u +1 1 1",
            "u 4294967296 1 1",
            "U 0 1 1",
            "",
        ] {
            assert!(idmap(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_and_offsets() {
        assert_eq!(rlimit("10:unlimited").unwrap(), Rlimit { soft: Some(10), hard: None });
        assert_eq!(print_rlimit(&rlimit("unlimited").unwrap()), "unlimited");
        assert_eq!(time_offset("-3 h"), Ok(-10_800_000_000_000));
        assert!(time_offset("10").is_err());
    }
}
