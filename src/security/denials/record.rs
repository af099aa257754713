//! Audit records (kernel: kernel/audit.c, security/lsm_audit.c), as the kernel's log and the audit
//! daemon's file have them.
//!
//! What a process chose is quoted, or in hexadecimal digits if it has a quote, a blank or a control
//! character. A record that is not exactly so is none.

use std::time::Duration;

/// The longest record: the kernel's buffer (`AUDIT_BUFSIZ`, `MAX_AUDIT_MESSAGE_LENGTH`).
const LONGEST: usize = 8970;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `type=1326`.
    Seccomp,
    /// `type=1400` of AppArmor.
    AppArmor,
    /// `type=1400` of SELinux.
    SeLinux,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub kind: Kind,
    /// When it was written, by the clock that began with the boot.
    pub time: Duration,
    /// The names and values, as they come; values without quotes and hexadecimal digits.
    fields: Vec<(String, String)>,
}

/// The text of a record, not yet read further.
#[derive(Debug, PartialEq, Eq)]
pub struct Raw<'text> {
    /// `1326` or `1400`.
    number: u16,
    /// Since 1970.
    pub stamp: Duration,
    body: &'text str,
}

impl<'text> Raw<'text> {
    /// Of a line of the kernel's log: `audit: type=1326 audit(1.234:5): …`.
    pub fn of_kernel(line: &'text str) -> Option<Self> {
        let rest = line.strip_prefix("audit: type=")?;
        let (number, rest) = rest.split_once(" audit(")?;
        Self::new(number.parse().ok()?, rest)
    }

    /// Of a line of the daemon's file: `type=SECCOMP msg=audit(1.234:5): …`, where what follows the
    /// separator is the daemon's own reading of numbers.
    pub fn of_daemon(line: &'text str) -> Option<Self> {
        let rest = line.strip_prefix("type=")?;
        let (name, rest) = rest.split_once(" msg=audit(")?;
        let number = match name {
            "SECCOMP" => 1326,
            "AVC" => 1400,
            _ => return None,
        };
        Self::new(number, rest.split('\u{1d}').next().unwrap_or(rest))
    }

    fn new(number: u16, rest: &'text str) -> Option<Self> {
        let wanted = matches!(number, 1326 | 1400) && rest.len() <= LONGEST;
        let (stamp, body) = rest.split_once("): ").filter(|_| wanted)?;
        let (time, serial) = stamp.split_once(':')?;
        let (seconds, milliseconds) = time.split_once('.')?;
        digits(serial)?;
        let milliseconds = digits(milliseconds).filter(|_| milliseconds.len() == 3)?;
        let stamp = Duration::from_secs(digits(seconds)?) + Duration::from_millis(milliseconds);
        Some(Self { number, stamp, body })
    }

    /// Reads it; `None` if the kernel cannot have written this.
    pub fn read(&self, time: Duration) -> Option<Record> {
        let plain = |letter: char| letter == ' ' || letter.is_ascii_graphic();
        if !self.body.chars().all(plain) {
            return None;
        }
        if self.number == 1326 {
            let fields = fields(self.body)?;
            return is_seccomp(&fields).then_some(Record { kind: Kind::Seccomp, time, fields });
        }
        if self.body.starts_with("apparmor=\"") {
            let fields = fields(self.body)?;
            return Some(Record { kind: Kind::AppArmor, time, fields });
        }
        selinux(self.body).map(|fields| Record { kind: Kind::SeLinux, time, fields })
    }

    /// Whether it may be one that tells of a denial, so that one that cannot be read is missed.
    pub fn is_denial(&self) -> bool {
        self.number == 1326
            || self.body.starts_with("apparmor=\"DENIED\"")
            || self.body.starts_with("avc:  denied")
    }
}

impl Record {
    /// The value of the field `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of the field `name`, a number.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.get(name).filter(|value| digits(value).is_some())?.parse().ok()
    }

    /// The value of the field `name`, a number in hexadecimal digits.
    pub fn hexadecimal(&self, name: &str) -> Option<u32> {
        let value = self.get(name)?;
        let value = value.strip_prefix("0x").unwrap_or(value);
        let plain = value.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(value, 16).ok().filter(|_| plain)
    }

    /// The command that did it, to show.
    pub fn command(&self) -> Option<String> {
        self.get("comm").map(super::text::shown)
    }
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// The fields of a record of seccomp, all of them and in this order.
fn is_seccomp(fields: &[(String, String)]) -> bool {
    const NAMES: [&str; 13] = [
        "auid", "uid", "gid", "ses", "pid", "comm", "exe", "sig", "arch", "syscall", "compat",
        "ip", "code",
    ];
    fields.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "subj").eq(NAMES)
}

/// `avc:  denied  { read write } for  pid=1 …`.
fn selinux(body: &str) -> Option<Vec<(String, String)>> {
    let rest = body.strip_prefix("avc:  denied  { ")?;
    let (permissions, rest) = rest.split_once(" } for  ")?;
    let word = |word: &str| super::text::kernel_word(word).is_some();
    if !permissions.split(' ').all(word) {
        return None;
    }
    let mut fields = fields(rest)?;
    fields.push(("permissions".into(), permissions.into()));
    let has = |name: &str| fields.iter().any(|(known, _)| known == name);
    ["scontext", "tcontext", "tclass"].into_iter().all(has).then_some(fields)
}

/// Fields with blanks between them; none may come twice.
fn fields(text: &str) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut rest = text.trim_end_matches(' ');
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        super::text::kernel_word(name)?;
        let end;
        let value = if let Some(quoted) = after.strip_prefix('"') {
            let (value, _) = quoted.split_once('"')?;
            end = value.len() + 2;
            value.to_owned()
        } else {
            end = after.find(' ').unwrap_or(after.len());
            let value = &after[..end];
            if value.contains('"') {
                return None;
            }
            if is_chosen(name) { from_hexadecimal(value)? } else { value.to_owned() }
        };
        if fields.iter().any(|(known, _)| known == name) {
            return None;
        }
        fields.push((name.to_owned(), value));
        rest = &after[end..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(' ')?.trim_start_matches(' ');
        }
    }
    Some(fields)
}

/// Fields whose values a process may choose.
fn is_chosen(name: &str) -> bool {
    ["comm", "exe", "name", "profile", "namespace", "srcname", "fstype", "peer", "target", "path"]
        .contains(&name)
}

/// What hexadecimal digits stand for; words of the kernel, such as `(null)`, stay as they are.
fn from_hexadecimal(value: &str) -> Option<String> {
    if value.starts_with('(') {
        return Some(value.to_owned());
    }
    let digit = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    if value.is_empty() || !value.len().is_multiple_of(2) || !value.as_bytes().iter().all(digit) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&value[at..at + 2], 16).ok();
    let bytes: Vec<u8> = (0..value.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECCOMP: &str = "audit: type=1326 audit(1795709905.380:2): auid=4294967295 uid=0 gid=0 \
         ses=4294967295 pid=5748 comm=\"python3\" exe=\"/usr/bin/python3.11\" sig=31 arch=c000003e \
         syscall=39 compat=0 ip=0x7f937ed1f829 code=0x80000000";

    fn read(line: &str) -> Option<Record> {
        Raw::of_kernel(line)?.read(Duration::ZERO)
    }

    #[test]
    fn records_are_read() {
        let record = read(SECCOMP).unwrap();
        assert_eq!(record.kind, Kind::Seccomp);
        assert_eq!(record.get("exe"), Some("/usr/bin/python3.11"));
        assert_eq!(record.number::<i32>("pid"), Some(5748));
        assert_eq!(record.hexadecimal("code"), Some(0x8000_0000));
        assert_eq!(
            Raw::of_kernel(SECCOMP).unwrap().stamp,
            Duration::from_millis(1_795_709_905_380)
        );

        let record = read(
            "audit: type=1400 audit(1.5:9): apparmor=\"DENIED\" operation=\"capable\" class=\"cap\" \
             profile=\"lxc-a_</var/lib/lxc>\" pid=7 comm=612062 capability=21  capname=\"sys_admin\"",
        );
        assert!(record.is_none(), "milliseconds have three digits");
        let record = read(
            "audit: type=1400 audit(1.500:9): apparmor=\"DENIED\" operation=\"capable\" class=\"cap\" \
             profile=\"lxc-a_</var/lib/lxc>\" pid=7 comm=612062 capability=21  capname=\"sys_admin\"",
        )
        .unwrap();
        assert_eq!(record.kind, Kind::AppArmor);
        assert_eq!(record.get("comm"), Some("a b"));
        assert_eq!(record.get("capname"), Some("sys_admin"));

        let record = read(
            "audit: type=1400 audit(1.500:9): avc:  denied  { read write } for  pid=7 comm=\"x\" \
             name=\"f\" dev=\"sda\" ino=1 scontext=a:b:c:s0 tcontext=d:e:f:s0 tclass=file permissive=0",
        )
        .unwrap();
        assert_eq!(record.kind, Kind::SeLinux);
        assert_eq!(record.get("permissions"), Some("read write"));
    }

    #[test]
    fn the_daemons_lines_are_read() {
        let line = SECCOMP.replace("audit: type=1326 audit(", "type=SECCOMP msg=audit(");
        let enriched = format!("{line}\u{1d}ARCH=x86_64 SYSCALL=getpid");
        for line in [&line, &enriched] {
            let record = Raw::of_daemon(line).unwrap().read(Duration::ZERO).unwrap();
            assert_eq!(record.number::<u32>("syscall"), Some(39));
        }
        assert!(Raw::of_daemon(SECCOMP).is_none());
        assert!(Raw::of_kernel(&line).is_none());
    }

    #[test]
    fn what_the_kernel_does_not_write_is_no_record() {
        for (from, to) in [
            ("audit: ", "x audit: "),
            ("1326", "1107"),
            (" sig=31", ""),
            (" sig=31", " sig=31 sig=31"),
            (" sig=31", " sig=31 more=1"),
            ("\"python3\"", "\"pyt\"hon3\""),
            ("\"python3\"", "python3"),
            ("\"python3\"", "\"pyt\nhon3\""),
            ("\"python3\"", "\"pyt\u{1b}hon3\""),
            ("code=0x80000000", "code=0x80000000 IN=eth0"),
            ("code=0x80000000", "code=\"0x80000000"),
            (":2): ", "): "),
        ] {
            let forged = SECCOMP.replacen(from, to, 1);
            assert_ne!(forged, SECCOMP);
            assert_eq!(read(&forged), None, "{forged}");
        }
        assert_eq!(read(&format!("{SECCOMP}{}", " ".repeat(LONGEST))), None);
    }
}
