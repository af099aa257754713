//! The instructions of BPF that programs for the device controller are made of.

use crate::sys::bpf::Instruction;

/// A register, 0 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(pub u8);

// Classes, sizes and operations of the instruction set (kernel: bpf/standardization).
const LDX_MEM_W: u8 = 0x61;
const ALU32_AND_K: u8 = 0x54;
const ALU32_RSH_K: u8 = 0x74;
const ALU32_MOV_K: u8 = 0xb4;
const ALU32_MOV_X: u8 = 0xbc;
const JMP_JA: u8 = 0x05;
const JMP32_JNE_K: u8 = 0x56;
const JMP32_JSET_K: u8 = 0x46;
const EXIT: u8 = 0x95;

const fn new(code: u8, to: Register, from: Register, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: to.0 | (from.0 << 4), offset, immediate }
}

const fn with_number(code: u8, to: Register, offset: i16, immediate: i32) -> Instruction {
    new(code, to, Register(0), offset, immediate)
}

/// `to` = the 32 bits at `base` + `offset`.
pub const fn load(to: Register, base: Register, offset: i16) -> Instruction {
    new(LDX_MEM_W, to, base, offset, 0)
}

/// `to` = `from`, 32 bits.
pub const fn copy(to: Register, from: Register) -> Instruction {
    new(ALU32_MOV_X, to, from, 0, 0)
}

/// `to` = `value`.
pub const fn mov(to: Register, value: i32) -> Instruction {
    with_number(ALU32_MOV_K, to, 0, value)
}

/// `to` &= `mask`, 32 bits.
pub const fn and(to: Register, mask: i32) -> Instruction {
    with_number(ALU32_AND_K, to, 0, mask)
}

/// `to` >>= `bits`, 32 bits.
pub const fn shift_right(to: Register, bits: i32) -> Instruction {
    with_number(ALU32_RSH_K, to, 0, bits)
}

/// Goes `ahead` instructions further unless `register` is `value`, 32 bits.
pub const fn jump_if_not(register: Register, value: i32, ahead: i16) -> Instruction {
    with_number(JMP32_JNE_K, register, ahead, value)
}

/// Goes `ahead` instructions further if `register` has any bit of `mask`.
pub const fn jump_if_any_bit(register: Register, mask: i32, ahead: i16) -> Instruction {
    with_number(JMP32_JSET_K, register, ahead, mask)
}

/// Goes `ahead` instructions further.
pub const fn jump(ahead: i16) -> Instruction {
    with_number(JMP_JA, Register(0), ahead, 0)
}

/// Ends with register 0 as the answer.
pub const fn exit() -> Instruction {
    with_number(EXIT, Register(0), 0, 0)
}

/// Runs programs as the kernel would, as far as those of the device controller use instructions.
#[cfg(test)]
pub mod interpreter {
    use super::*;

    /// The answer of `program` about the context of 32-bit words.
    ///
    /// # Panics
    ///
    /// Where the kernel's verifier would refuse the program.
    pub fn run(program: &[Instruction], context: &[u32]) -> u64 {
        let mut registers = [0_u64; 11];
        let mut at = 0;
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            let number = immediate.cast_unsigned();
            let low = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap();
            let mut ahead = 0;
            match code {
                LDX_MEM_W => {
                    assert_eq!(from, 1, "only the context can be read");
                    registers[to] = context[usize::try_from(offset).unwrap() / 4].into();
                }
                ALU32_AND_K => registers[to] = (low(registers[to]) & number).into(),
                ALU32_RSH_K => registers[to] = (low(registers[to]) >> number).into(),
                ALU32_MOV_K => registers[to] = number.into(),
                ALU32_MOV_X => registers[to] = low(registers[from]).into(),
                JMP_JA => ahead = offset,
                JMP32_JNE_K if low(registers[to]) != number => ahead = offset,
                JMP32_JSET_K if low(registers[to]) & number != 0 => ahead = offset,
                JMP32_JNE_K | JMP32_JSET_K => {}
                EXIT => return registers[0],
                _ => panic!("unknown instruction {code:#x}"),
            }
            assert!(ahead >= 0, "no loops");
            at += 1 + usize::try_from(ahead).unwrap();
        }
    }
}
