//! BPF programs for the device controller of cgroup v2 (bpf(2), linux/bpf.h).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A register, 0 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(pub u8);

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    code: u8,
    /// Destination in the low half, source in the high one.
    registers: u8,
    offset: i16,
    immediate: i32,
}

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

impl Instruction {
    const fn new(code: u8, to: Register, from: Register, offset: i16, immediate: i32) -> Self {
        Self { code, registers: to.0 | (from.0 << 4), offset, immediate }
    }

    const fn with_number(code: u8, to: Register, offset: i16, immediate: i32) -> Self {
        Self::new(code, to, Register(0), offset, immediate)
    }

    /// `to` = the 32 bits at `base` + `offset`.
    pub const fn load(to: Register, base: Register, offset: i16) -> Self {
        Self::new(LDX_MEM_W, to, base, offset, 0)
    }

    /// `to` = `from`, 32 bits.
    pub const fn copy(to: Register, from: Register) -> Self {
        Self::new(ALU32_MOV_X, to, from, 0, 0)
    }

    /// `to` = `value`.
    pub const fn mov(to: Register, value: i32) -> Self {
        Self::with_number(ALU32_MOV_K, to, 0, value)
    }

    /// `to` &= `mask`, 32 bits.
    pub const fn and(to: Register, mask: i32) -> Self {
        Self::with_number(ALU32_AND_K, to, 0, mask)
    }

    /// `to` >>= `bits`, 32 bits.
    pub const fn shift_right(to: Register, bits: i32) -> Self {
        Self::with_number(ALU32_RSH_K, to, 0, bits)
    }

    /// Goes `ahead` instructions further unless `register` is `value`, 32 bits.
    pub const fn jump_if_not(register: Register, value: i32, ahead: i16) -> Self {
        Self::with_number(JMP32_JNE_K, register, ahead, value)
    }

    /// Goes `ahead` instructions further if `register` has any bit of `mask`.
    pub const fn jump_if_any_bit(register: Register, mask: i32, ahead: i16) -> Self {
        Self::with_number(JMP32_JSET_K, register, ahead, mask)
    }

    /// Goes `ahead` instructions further.
    pub const fn jump(ahead: i16) -> Self {
        Self::with_number(JMP_JA, Register(0), ahead, 0)
    }

    /// Ends with register 0 as the answer.
    pub const fn exit() -> Self {
        Self::with_number(EXIT, Register(0), 0, 0)
    }
}

const BPF_PROG_LOAD: i32 = 5;
const BPF_PROG_ATTACH: i32 = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;
const BPF_F_REPLACE: u32 = 4;

/// The part of `union bpf_attr` for `BPF_PROG_LOAD`, up to the name.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

/// The part for `BPF_PROG_ATTACH`.
#[repr(C)]
#[derive(Default)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

/// Gives `program` to the kernel, which checks it.
pub fn load_device_program(program: &[Instruction]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(io::Error::other)?,
        insns: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..LoadAttr::default()
    };
    attr.prog_name[..7].copy_from_slice(b"lxc_dev");
    // SAFETY: the program, the licence and `attr` live across the call, with the lengths given.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw mut attr, size_of::<LoadAttr>())
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let raw = RawFd::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel just returned this descriptor and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Attaches `program` to the cgroup `dir`, beside those of others, in the place of `old`.
pub fn attach_device_program(
    dir: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    old: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let number = |fd: BorrowedFd<'_>| fd.as_raw_fd().unsigned_abs();
    let mut attr = AttachAttr {
        target_fd: number(dir),
        attach_bpf_fd: number(program),
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: BPF_F_ALLOW_MULTI,
        replace_bpf_fd: 0,
    };
    if let Some(old) = old {
        attr.attach_flags |= BPF_F_REPLACE;
        attr.replace_bpf_fd = number(old);
    }
    // SAFETY: `attr` lives across the call and has the size that is passed.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_ATTACH, &raw mut attr, size_of::<AttachAttr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Runs programs as the kernel would, as far as those of the device controller use instructions.
#[cfg(test)]
pub(crate) mod interpreter {
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
