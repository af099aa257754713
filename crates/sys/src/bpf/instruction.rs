//! The instruction set of BPF programs (kernel: bpf/standardization), as far as ours use it.

use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Class, size and operation.
    pub code: u8,
    /// Destination in the low half, source in the high one.
    pub registers: u8,
    /// Of a jump or a memory access.
    pub offset: i16,
    /// A constant operand.
    pub immediate: i32,
}

/// A register, 0 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(pub u8);

/// What a call answers, and the program.
pub const R0: Register = Register(0);
/// The context at first; the first argument of a call. Calls change this and the next four.
pub const R1: Register = Register(1);
/// The second argument of a call.
pub const R2: Register = Register(2);
/// The third argument of a call.
pub const R3: Register = Register(3);
/// The fourth argument of a call.
pub const R4: Register = Register(4);
/// The fifth argument of a call.
pub const R5: Register = Register(5);
/// Left alone by calls.
pub const R6: Register = Register(6);
/// Left alone by calls.
pub const R7: Register = Register(7);
/// Left alone by calls.
pub const R8: Register = Register(8);
/// The end of the program's 512 bytes of memory; cannot be changed.
pub const FRAME: Register = Register(10);

/// Loads 32 bits.
pub const LDX_W: u8 = 0x61;
/// Loads 64 bits.
pub const LDX_DW: u8 = 0x79;
/// Stores a constant of 32 bits.
pub const ST_W: u8 = 0x62;
/// Stores a constant in 64 bits.
pub const ST_DW: u8 = 0x7a;
/// Stores the low 32 bits of a register.
pub const STX_W: u8 = 0x63;
/// Stores a register.
pub const STX_DW: u8 = 0x7b;
/// Changes 64 bits as [`ATOMIC_ADD`] says, undivided.
pub const ATOMIC_DW: u8 = 0xdb;
/// Adds a constant.
pub const ADD_K: u8 = 0x07;
/// Adds a register.
pub const ADD_X: u8 = 0x0f;
/// Subtracts a register.
pub const SUB_X: u8 = 0x1f;
/// Multiplies by a constant.
pub const MUL_K: u8 = 0x27;
/// Divides by a register.
pub const DIV_X: u8 = 0x3f;
/// Copies a register.
pub const MOV_X: u8 = 0xbf;
/// Sets a constant.
pub const MOV_K: u8 = 0xb7;
/// Masks with a constant, 32 bits.
pub const AND32_K: u8 = 0x54;
/// Shifts right by a constant, 32 bits.
pub const RSH32_K: u8 = 0x74;
/// Sets a constant, 32 bits.
pub const MOV32_K: u8 = 0xb4;
/// Copies a register, 32 bits.
pub const MOV32_X: u8 = 0xbc;
/// Jumps.
pub const JA: u8 = 0x05;
/// Jumps if equal to a constant.
pub const JEQ_K: u8 = 0x15;
/// Jumps if greater than a register.
pub const JGT_X: u8 = 0x2d;
/// Jumps if not less than a register.
pub const JGE_X: u8 = 0x3d;
/// Jumps unless equal to a constant, 32 bits.
pub const JNE32_K: u8 = 0x56;
/// Jumps if any bit of a constant is set, 32 bits.
pub const JSET32_K: u8 = 0x46;
const LD_IMM64: u8 = 0x18;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// For [`ATOMIC_DW`].
pub const ATOMIC_ADD: i32 = 0x00;

// Functions of the kernel (linux/bpf.h).
/// `bpf_map_lookup_elem(map, key)`: where the value is, or 0.
pub const MAP_LOOKUP_ELEM: i32 = 1;
/// `bpf_map_update_elem(map, key, value, flags)`.
pub const MAP_UPDATE_ELEM: i32 = 2;
/// `bpf_ktime_get_ns()`: CLOCK_MONOTONIC.
pub const KTIME_GET_NS: i32 = 5;

/// `BPF_PSEUDO_MAP_FD`: the wide constant is a map's descriptor.
const PSEUDO_MAP_FD: u8 = 1;

/// An instruction of all its parts.
pub const fn new(
    code: u8,
    to: Register,
    from: Register,
    offset: i16,
    immediate: i32,
) -> Instruction {
    Instruction { code, registers: to.0 | (from.0 << 4), offset, immediate }
}

/// One with a constant operand.
pub const fn with_number(code: u8, to: Register, offset: i16, immediate: i32) -> Instruction {
    new(code, to, R0, offset, immediate)
}

/// One with a register as operand.
pub const fn with_register(code: u8, to: Register, from: Register, offset: i16) -> Instruction {
    new(code, to, from, offset, 0)
}

/// `to` = the 64 bits of `value`; two instructions.
pub const fn load_number(to: Register, value: u64) -> [Instruction; 2] {
    wide(to, 0, value)
}

/// `to` = the map `map`; two instructions.
pub fn load_map(to: Register, map: BorrowedFd<'_>) -> [Instruction; 2] {
    wide(to, PSEUDO_MAP_FD, map.as_raw_fd().unsigned_abs().into())
}

#[expect(clippy::cast_possible_truncation, reason = "each half is 32 bits")]
const fn wide(to: Register, meaning: u8, value: u64) -> [Instruction; 2] {
    let halves = [(value as u32).cast_signed(), ((value >> 32) as u32).cast_signed()];
    let rest = Instruction { code: 0, registers: 0, offset: 0, immediate: halves[1] };
    [new(LD_IMM64, to, Register(meaning), 0, halves[0]), rest]
}

/// Calls `function` of the kernel.
pub const fn call(function: i32) -> Instruction {
    with_number(CALL, R0, 0, function)
}

/// Ends the program with [`R0`] as its answer.
pub const fn exit() -> Instruction {
    with_number(EXIT, R0, 0, 0)
}

/// Whether `instruction` ends the program.
pub const fn is_exit(instruction: &Instruction) -> bool {
    instruction.code == EXIT
}
