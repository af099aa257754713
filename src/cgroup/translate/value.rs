//! Values as the kernel writes them: sizes with suffixes, weights, "no limit".

use super::Refusal;

/// From here on a v1 limit in bytes means none: the kernel shows the largest multiple of its page
/// size, which differs between machines.
pub(in super::super) const NO_LIMIT: u64 = (i64::MAX as u64) & !0xffff;

/// A size in bytes as the kernel's `memparse` reads it; `None` for no limit (`max`, `-1`, a number
/// beyond any memory).
pub(in super::super) fn parse_size(text: &str) -> Result<Option<u64>, Refusal> {
    let refusal = || Refusal::value(text, "size: a number, perhaps with K, M, G or T, or max");
    if text == "max" || text == "-1" {
        return Ok(None);
    }
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return Err(refusal()),
    };
    let number: u64 = digits.parse().map_err(|_| refusal())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(refusal)?;
    Ok(Some(bytes).filter(|bytes| *bytes < NO_LIMIT))
}

/// The scale of a weight: what the kernel gives by default and allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub default: u64,
    pub min: u64,
    pub max: u64,
}

/// `value` of one scale on another: the defaults of both mean the same, as in the kernel's own
/// `cpu.weight`, which it keeps in shares.
pub(super) fn rescale(value: &str, from: Scale, to: Scale) -> Result<String, Refusal> {
    let weight: u64 =
        value.parse().ok().filter(|weight| (from.min..=from.max).contains(weight)).ok_or_else(
            || Refusal::value(value, &format!("number from {} to {}", from.min, from.max)),
        )?;
    let scaled = (weight * to.default + from.default / 2) / from.default;
    Ok(scaled.clamp(to.min, to.max).to_string())
}
