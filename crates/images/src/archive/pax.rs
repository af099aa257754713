//! The records of a pax header: `LENGTH KEY=VALUE\n`, each (pax(1)).

use std::io;

use super::malformed;

/// What GNU tar, star and Go's programs put before the name of an extended attribute.
pub(super) const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// Keys and values, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    pub(super) fn parse(mut data: &[u8]) -> io::Result<Self> {
        let mut records = Vec::new();
        // Some programs fill the block up with zeros and count them.
        while data.first().is_some_and(|byte| *byte != 0) {
            let (record, rest) = record(data).ok_or_else(|| malformed("a pax record is broken"))?;
            records.push(record);
            data = rest;
        }
        Ok(Self(records))
    }

    /// The value of `key`; the last one counts.
    pub(super) fn value(&self, key: &str) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|(name, _)| name == key.as_bytes());
        found.map(|(_, value)| value.as_slice()).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, key: &str) -> io::Result<Option<u64>> {
        self.value(key).map(|text| number(text, key)).transpose()
    }

    /// All records, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    pub(super) fn attributes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix(ATTRIBUTE)?.to_vec(), value.to_vec()))
            })
            .collect()
    }
}

type Record = (Vec<u8>, Vec<u8>);

fn record(data: &[u8]) -> Option<(Record, &[u8])> {
    let blank = data.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&data[..blank]).ok()?.parse().ok()?;
    let record = data.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some(((record[..equals].to_vec(), record[equals + 1..].to_vec()), &data[length..]))
}

pub(super) fn number(text: &[u8], what: &str) -> io::Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| malformed(&format!("{what} is not a number")))
}

/// Seconds with a fraction, maybe negative, as seconds and nanoseconds.
pub(super) fn time(text: &[u8]) -> io::Result<(i64, u32)> {
    let parse = || {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let nanoseconds: u32 = digits.parse().ok()?;
        if whole.starts_with('-') && nanoseconds > 0 {
            return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
        }
        Some((seconds, nanoseconds))
    };
    parse().ok_or_else(|| malformed("a time is not a number"))
}
