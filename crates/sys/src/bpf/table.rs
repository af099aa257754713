//! Maps that a program of the device controller fills, and others read: found by the cgroup the program is
//! attached to.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{BPF_CGROUP_DEVICE, BPF_MAP_CREATE, MapAttr, call, descriptor};

const BPF_MAP_LOOKUP_ELEM: i32 = 1;
const BPF_MAP_GET_NEXT_KEY: i32 = 4;
const BPF_PROG_GET_FD_BY_ID: i32 = 13;
const BPF_MAP_GET_FD_BY_ID: i32 = 14;
const BPF_OBJ_GET_INFO_BY_FD: i32 = 15;
const BPF_PROG_QUERY: i32 = 16;
const BPF_MAP_TYPE_HASH: u32 = 1;
const BPF_F_NO_PREALLOC: u32 = 1;
/// More programs than the kernel attaches to one cgroup (`BPF_CGROUP_MAX_PROGS`).
const MOST_PROGRAMS: usize = 64;
/// More maps than a program of ours has.
const MOST_MAPS: usize = 8;

/// The name of a table, of at most 15 bytes.
pub type Name = &'static str;

/// The part of `union bpf_attr` for what is done with one element.
#[repr(C)]
struct ElementAttr {
    map_fd: u32,
    _pad: u32,
    key: u64,
    value_or_next: u64,
    flags: u64,
}

/// The part for `BPF_*_GET_FD_BY_ID`.
#[repr(C)]
struct NumberAttr {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// The part for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    length: u32,
    info: u64,
}

/// The part for `BPF_PROG_QUERY`, up to the count.
#[repr(C)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    _pad: u32,
}

/// The beginning of `struct bpf_prog_info`.
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    kind_and_id: [u32; 2],
    tag: [u8; 8],
    lengths: [u32; 2],
    instructions: [u64; 2],
    load_time: u64,
    created_by: u32,
    map_count: u32,
    map_ids: u64,
}

/// The beginning of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct MapInfo {
    kind_and_id: [u32; 2],
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    name: [u8; 16],
}

/// Makes the empty table `name` of at most `most` values of `V` bytes, each with a key of `K` bytes. Each
/// takes memory when it is there.
pub fn make<const K: usize, const V: usize>(name: Name, most: u32) -> io::Result<OwnedFd> {
    let [key_size, value_size] = sizes::<K, V>()?;
    let mut attr = MapAttr {
        map_type: BPF_MAP_TYPE_HASH,
        key_size,
        value_size,
        max_entries: most,
        map_flags: BPF_F_NO_PREALLOC,
        map_name: padded(name),
        ..MapAttr::default()
    };
    // SAFETY: no address is in `attr`.
    unsafe { call(BPF_MAP_CREATE, &mut attr) }.and_then(descriptor)
}

/// The table `name` of the programs that are attached to the cgroup `dir`; `None` if none has one. Needs
/// `CAP_BPF` or `CAP_SYS_ADMIN`.
pub fn find<const K: usize, const V: usize>(
    dir: BorrowedFd<'_>,
    name: Name,
) -> io::Result<Option<OwnedFd>> {
    let sizes = sizes::<K, V>()?;
    for program in programs(dir)? {
        for map in maps(&program)? {
            let mut info = MapInfo::default();
            read_info(&map, &mut info)?;
            if info.name == padded(name) && [info.key_size, info.value_size] == sizes {
                return Ok(Some(map));
            }
        }
    }
    Ok(None)
}

/// What is in `table`, at most `most` elements. One that is removed meanwhile may be missing.
///
/// # Panics
///
/// If `K` and `V` are not the sizes of its keys and values.
pub fn read<const K: usize, const V: usize>(
    table: &OwnedFd,
    most: usize,
) -> io::Result<Vec<([u8; K], [u8; V])>> {
    let mut info = MapInfo::default();
    read_info(table, &mut info)?;
    let found = [info.key_size, info.value_size];
    assert_eq!(found, sizes::<K, V>()?, "the sizes of the table's keys and values");
    let mut found = Vec::new();
    let mut before: Option<[u8; K]> = None;
    while found.len() < most {
        let mut key = [0; K];
        let before_at = before.as_ref().map_or(0, |key| key.as_ptr() as u64);
        if !element(table, BPF_MAP_GET_NEXT_KEY, before_at, key.as_mut_ptr() as u64)? {
            break;
        }
        let mut value = [0; V];
        if element(table, BPF_MAP_LOOKUP_ELEM, key.as_ptr() as u64, value.as_mut_ptr() as u64)? {
            found.push((key, value));
        }
        before = Some(key);
    }
    Ok(found)
}

/// Whether the element is there.
fn element(table: &OwnedFd, command: i32, key: u64, value_or_next: u64) -> io::Result<bool> {
    let map_fd = table.as_raw_fd().unsigned_abs();
    let mut attr = ElementAttr { map_fd, _pad: 0, key, value_or_next, flags: 0 };
    // SAFETY: `read`, the only caller, passes its own arrays, whose sizes it has compared with the table's.
    match unsafe { call(command, &mut attr) } {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        result => result.map(|_| true),
    }
}

/// The programs for devices that are attached to `dir` itself.
fn programs(dir: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0_u32; MOST_PROGRAMS];
    let mut attr = QueryAttr {
        target_fd: dir.as_raw_fd().unsigned_abs(),
        attach_type: BPF_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: u32::try_from(MOST_PROGRAMS).map_err(io::Error::other)?,
        _pad: 0,
    };
    // SAFETY: `ids` lives across the call and has as many elements as `attr` says.
    unsafe { call(BPF_PROG_QUERY, &mut attr) }?;
    open_all(BPF_PROG_GET_FD_BY_ID, &ids, attr.count)
}

fn maps(program: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0_u32; MOST_MAPS];
    let mut info = ProgramInfo {
        map_count: u32::try_from(MOST_MAPS).map_err(io::Error::other)?,
        map_ids: ids.as_mut_ptr() as u64,
        ..ProgramInfo::default()
    };
    read_info(program, &mut info)?;
    open_all(BPF_MAP_GET_FD_BY_ID, &ids, info.map_count)
}

fn open_all(command: i32, ids: &[u32], count: u32) -> io::Result<Vec<OwnedFd>> {
    let count = usize::try_from(count).map_err(io::Error::other)?;
    let mut opened = Vec::new();
    for id in ids.iter().take(count) {
        let mut attr = NumberAttr { id: *id, next_id: 0, open_flags: 0 };
        // SAFETY: no address is in `attr`.
        match unsafe { call(command, &mut attr) } {
            // It is gone.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            result => opened.push(result.and_then(descriptor)?),
        }
    }
    Ok(opened)
}

/// Has the kernel fill in `info`, which is the beginning of what it tells about `object`. The only address
/// in one is that of the numbers of maps.
fn read_info<T: Info>(object: &OwnedFd, info: &mut T) -> io::Result<()> {
    let mut attr = InfoAttr {
        fd: object.as_raw_fd().unsigned_abs(),
        length: u32::try_from(size_of::<T>()).map_err(io::Error::other)?,
        info: std::ptr::from_mut(info) as u64,
    };
    // SAFETY: `info` lives across the call and has the length given; of the two that there are, one has no
    // address, and `maps` puts that of its own array into the other.
    unsafe { call(BPF_OBJ_GET_INFO_BY_FD, &mut attr) }.map(drop)
}

trait Info {}
impl Info for ProgramInfo {}
impl Info for MapInfo {}

fn sizes<const K: usize, const V: usize>() -> io::Result<[u32; 2]> {
    let size = |size: usize| u32::try_from(size).map_err(io::Error::other);
    Ok([size(K)?, size(V)?])
}

fn padded(name: Name) -> [u8; 16] {
    let mut padded = [0; 16];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    padded
}
