//! The instructions of BPF that programs for the device controller are made of.

use crate::sys::bpf::instruction::{
    AND32_K, Instruction, JA, JNE32_K, JSET32_K, LDX_W, MOV32_K, MOV32_X, R0, RSH32_K, Register,
    with_number, with_register,
};

/// `to` = the 32 bits at `base` + `offset`.
pub const fn load(to: Register, base: Register, offset: i16) -> Instruction {
    with_register(LDX_W, to, base, offset)
}

/// `to` = `from`, 32 bits.
pub const fn copy(to: Register, from: Register) -> Instruction {
    with_register(MOV32_X, to, from, 0)
}

/// `to` = `value`.
pub const fn mov(to: Register, value: i32) -> Instruction {
    with_number(MOV32_K, to, 0, value)
}

/// `to` &= `mask`, 32 bits.
pub const fn and(to: Register, mask: i32) -> Instruction {
    with_number(AND32_K, to, 0, mask)
}

/// `to` >>= `bits`, 32 bits.
pub const fn shift_right(to: Register, bits: i32) -> Instruction {
    with_number(RSH32_K, to, 0, bits)
}

/// Goes `ahead` instructions further unless `register` is `value`, 32 bits.
pub const fn jump_if_not(register: Register, value: i32, ahead: i16) -> Instruction {
    with_number(JNE32_K, register, ahead, value)
}

/// Goes `ahead` instructions further if `register` has any bit of `mask`.
pub const fn jump_if_any_bit(register: Register, mask: i32, ahead: i16) -> Instruction {
    with_number(JSET32_K, register, ahead, mask)
}

/// Goes `ahead` instructions further.
pub const fn jump(ahead: i16) -> Instruction {
    with_number(JA, R0, ahead, 0)
}

/// Runs programs as the kernel would, as far as those of the device controller use instructions.
#[cfg(test)]
pub mod interpreter {
    use super::*;
    use crate::sys::bpf::instruction::is_exit;

    /// The answer of `program` about the context of 32-bit words.
    ///
    /// # Panics
    ///
    /// Where the kernel's verifier would refuse the program.
    pub fn run(program: &[Instruction], context: &[u32]) -> u64 {
        let mut registers = [0_u64; 11];
        let mut at = 0;
        loop {
            if is_exit(&program[at]) {
                return registers[0];
            }
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            let number = immediate.cast_unsigned();
            let low = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap();
            let mut ahead = 0;
            match code {
                LDX_W => {
                    assert_eq!(from, 1, "only the context can be read");
                    registers[to] = context[usize::try_from(offset).unwrap() / 4].into();
                }
                AND32_K => registers[to] = (low(registers[to]) & number).into(),
                RSH32_K => registers[to] = (low(registers[to]) >> number).into(),
                MOV32_K => registers[to] = number.into(),
                MOV32_X => registers[to] = low(registers[from]).into(),
                JA => ahead = offset,
                JNE32_K if low(registers[to]) != number => ahead = offset,
                JSET32_K if low(registers[to]) & number != 0 => ahead = offset,
                JNE32_K | JSET32_K => {}
                _ => panic!("unknown instruction {code:#x}"),
            }
            assert!(ahead >= 0, "no loops");
            at += 1 + usize::try_from(ahead).unwrap();
        }
    }
}
