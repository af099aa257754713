//! BPF programs for the device controller of cgroup v2 and for the traffic of links (bpf(2), linux/bpf.h).

pub mod instruction;
pub mod table;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use instruction::Instruction;

const BPF_MAP_CREATE: i32 = 0;
const BPF_PROG_LOAD: i32 = 5;
const BPF_PROG_ATTACH: i32 = 8;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;
const BPF_F_REPLACE: u32 = 4;

/// The part of `union bpf_attr` for `BPF_MAP_CREATE`, up to the name.
#[repr(C)]
#[derive(Default)]
struct MapAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
}

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

/// Gives `program`, which decides about devices, to the kernel, which checks it.
pub fn load_device_program(program: &[Instruction]) -> io::Result<OwnedFd> {
    load(BPF_PROG_TYPE_CGROUP_DEVICE, b"lxc_dev", program)
}

/// Gives `program`, which decides about the frames of a link, to the kernel, which checks it.
pub fn load_traffic_program(program: &[Instruction]) -> io::Result<OwnedFd> {
    load(BPF_PROG_TYPE_SCHED_CLS, b"lxc_limit", program)
}

fn load(prog_type: u32, name: &[u8], program: &[Instruction]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attr = LoadAttr {
        prog_type,
        insn_cnt: u32::try_from(program.len()).map_err(io::Error::other)?,
        insns: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..LoadAttr::default()
    };
    attr.prog_name[..name.len()].copy_from_slice(name);
    // SAFETY: the program and the licence live across the call, with the lengths given.
    unsafe { call(BPF_PROG_LOAD, &mut attr) }.and_then(descriptor)
}

/// Makes a map for programs: an array of one number of 64 bits, 0 at first.
pub fn make_cell() -> io::Result<OwnedFd> {
    let mut attr = MapAttr {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        ..MapAttr::default()
    };
    // SAFETY: no address is in `attr`.
    unsafe { call(BPF_MAP_CREATE, &mut attr) }.and_then(descriptor)
}

/// Calls bpf(2).
///
/// # Safety
///
/// `attr` is the part of `union bpf_attr` for `command`; the addresses in it are of memory that lives across
/// the call and is as large as it says.
unsafe fn call<T>(command: i32, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: `attr` lives across the call and has the size that is passed; the rest is the caller's.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The descriptor that bpf(2) answered.
fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
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
    // SAFETY: no address is in `attr`.
    unsafe { call(BPF_PROG_ATTACH, &mut attr) }.map(drop)
}
