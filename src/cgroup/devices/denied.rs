//! What a device program denied: a table that the program fills, and that goes with it.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use super::program::{ACCESS_TYPE, CONTEXT, MAJOR_OF, MINOR_OF, kind_number};
use super::{Access, DeviceKind};
use crate::error::{Context, Result};
use crate::sys::bpf::instruction::{
    ADD_K, ATOMIC_ADD, ATOMIC_DW, FRAME, Instruction, JA, JEQ_K, KTIME_GET_NS, LDX_W,
    MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MOV_K, MOV_X, R0, R1, R2, R3, R4, R6, Register, ST_DW,
    STX_DW, STX_W, call, load_map, new, with_number, with_register,
};
use crate::sys::bpf::table;

/// The table's name in the kernel.
const NAME: table::Name = "lxc_denied";
/// How many devices and kinds of access are told apart; of further ones nothing is known.
const MOST: u16 = 256;
/// The size of a key: kind and access as the kernel asks, major and minor number, 32 bits each.
const KEY: usize = 12;
/// The size of a value: how often, first and last time by CLOCK_MONOTONIC in nanoseconds, 64 bits each.
const VALUE: usize = 24;

/// One kind of access to one device that was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Block or character.
    pub kind: DeviceKind,
    /// The device's major number.
    pub major: u32,
    /// The device's minor number.
    pub minor: u32,
    /// What was asked for.
    pub access: Access,
    /// How often.
    pub count: u64,
    /// When first, by CLOCK_MONOTONIC.
    pub first: Duration,
    /// When last.
    pub last: Duration,
}

/// Makes the table of a container.
pub(super) fn make() -> std::io::Result<OwnedFd> {
    table::make::<KEY, VALUE>(NAME, MOST.into())
}

/// What the program at the cgroup `dir` denied, by the time of the first; `None` if no program there
/// counts.
pub fn read(dir: BorrowedFd<'_>) -> Result<Option<Vec<Denied>>> {
    let failed = || "cannot read which devices were denied";
    let found = table::find::<KEY, VALUE>(dir, NAME).context(failed)?;
    let Some(found) = found else { return Ok(None) };
    let elements = table::read::<KEY, VALUE>(&found, MOST.into()).context(failed)?;
    let mut denied: Vec<Denied> =
        elements.iter().filter_map(|(key, value)| Denied::of(key, value)).collect();
    denied.sort_by_key(|one| one.first);
    Ok(Some(denied))
}

impl Denied {
    fn of(key: &[u8; KEY], value: &[u8; VALUE]) -> Option<Self> {
        let [asked, major, minor] = words(key);
        let [count, first, last] = numbers(value);
        let kind = [DeviceKind::Block, DeviceKind::Char]
            .into_iter()
            .find(|kind| kind_number(*kind).cast_unsigned() == asked & 0xffff)?;
        let access = Access::from_bits(u8::try_from(asked >> 16).ok()?);
        let [first, last] = [first, last].map(Duration::from_nanos);
        Some(Self { kind, major, minor, access, count, first, last })
    }
}

fn words(key: &[u8; KEY]) -> [u32; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words
}

fn numbers(value: &[u8; VALUE]) -> [u64; 3] {
    let mut numbers = [0; 3];
    for (number, bytes) in numbers.iter_mut().zip(value.as_chunks().0) {
        *number = u64::from_ne_bytes(*bytes);
    }
    numbers
}

// Offsets in the program's stack.
const KEY_AT: i16 = -16;
const VALUE_AT: i16 = -40;

/// Instructions that count the question at hand in `table`, where the context, the major and the minor number
/// are still in their registers.
pub(super) fn count(table: BorrowedFd<'_>) -> Vec<Instruction> {
    const NOW: Register = R6;
    let below_frame =
        |to, at: i16| [with_register(MOV_X, to, FRAME, 0), with_number(ADD_K, to, 0, at.into())];
    let [key, key_at] = below_frame(R2, KEY_AT);
    let [value, value_at] = below_frame(R3, VALUE_AT);
    let [map_low, map_high] = load_map(R1, table);
    vec![
        // The whole question, of which rules may have settled a part.
        with_register(LDX_W, R2, CONTEXT, ACCESS_TYPE),
        with_register(STX_W, FRAME, R2, KEY_AT),
        with_register(STX_W, FRAME, MAJOR_OF, KEY_AT + 4),
        with_register(STX_W, FRAME, MINOR_OF, KEY_AT + 8),
        call(KTIME_GET_NS),
        with_register(MOV_X, NOW, R0, 0),
        map_low,
        map_high,
        key,
        key_at,
        call(MAP_LOOKUP_ELEM),
        with_number(JEQ_K, R0, 4, 0),
        // Denied before: counts once more.
        with_number(MOV_K, R1, 0, 1),
        new(ATOMIC_DW, R0, R1, 0, ATOMIC_ADD),
        with_register(STX_DW, R0, NOW, 16),
        with_number(JA, R0, 11, 0),
        // Denied for the first time.
        with_number(ST_DW, FRAME, VALUE_AT, 1),
        with_register(STX_DW, FRAME, NOW, VALUE_AT + 8),
        with_register(STX_DW, FRAME, NOW, VALUE_AT + 16),
        map_low,
        map_high,
        key,
        key_at,
        value,
        value_at,
        with_number(MOV_K, R4, 0, 0),
        call(MAP_UPDATE_ELEM),
    ]
}
