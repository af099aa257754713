//! What `lxc-start` and others that enter containers, or have them as their children, are links to: executes
//! lxc-rs from a read-only mount of its file that belongs to no mount namespace, so that no container can be made to
//! write it (CVE-2019-5736).
//!
//! lxc-rs does the same by executing itself again, which takes four times as long: this program has no library to
//! load. It is `PREFIX/libexec/lxc/lxc-launcher`, and lxc-rs `PREFIX/bin/lxc-rs`. The words are handed on as they are;
//! two variables come first in the environment: room for the title of a monitor, and where lxc-rs lies. Where no
//! mount can be made, lxc-rs is executed by its path, and sees to its own protection.

#![no_std]
#![no_main]
#![no_builtins] // which would make calls of memcpy(3) of the loops here

mod call;
mod handed;

use core::mem::MaybeUninit;

use call::{call, exit};
use handed::{PATH_VARIABLE, ROOM, ROOM_VARIABLE};

/// The variable of the room, whose value is spaces.
static ROOM_ENTRY: [u8; ROOM_LEN] = room();
const ROOM_LEN: usize = ROOM_VARIABLE.len() + "=".len() + ROOM + "\0".len();
const PROGRAM: &[u8] = b"/bin/lxc-rs\0";
/// How many names at the end of this program's path are not the prefix: `libexec`, `lxc` and its own.
const BELOW_PREFIX: usize = 3;

const AT_FDCWD: usize = -100_isize as usize;
const AT_EMPTY_PATH: usize = 0x1000;
const OPEN_TREE_CLONE: usize = 1;
const OPEN_TREE_CLOEXEC: usize = 0o2_000_000;
/// A `struct mount_attr` that makes a mount read-only.
static READ_ONLY: [u64; 4] = [1, 0, 0, 0];
const STDERR: usize = 2;

/// The numbers of system calls.
#[cfg(target_arch = "x86_64")]
mod number {
    pub const WRITE: usize = 1;
    pub const EXECVE: usize = 59;
    pub const READLINKAT: usize = 267;
    pub const EXECVEAT: usize = 322;
}
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod number {
    pub const WRITE: usize = 64;
    pub const EXECVE: usize = 221;
    pub const READLINKAT: usize = 78;
    pub const EXECVEAT: usize = 281;
}
const OPEN_TREE: usize = 428;
const MOUNT_SETATTR: usize = 442;

const fn room() -> [u8; ROOM_LEN] {
    let mut all = [b' '; ROOM_LEN];
    let name = ROOM_VARIABLE.as_bytes();
    let mut at = 0;
    while at < name.len() {
        all[at] = name[at];
        at += 1;
    }
    all[at] = b'=';
    all[ROOM_LEN - 1] = 0;
    all
}

/// Room for a path (PATH_MAX), and what is put before and after it.
type Path = MaybeUninit<[u8; 4096 + 64]>;
/// Room for an environment; a larger one is handed on as it is.
const VARIABLES: usize = 4096;

/// Begins with the stack as the kernel made it: the number of words, a pointer to each, and a null; the same
/// for the variables of the environment.
pub extern "C" fn begin(stack: *const usize) -> ! {
    let mut path = Path::uninit();
    let mut variables = MaybeUninit::<[usize; VARIABLES]>::uninit();
    // SAFETY: the stack is as the kernel makes it; every pointer that is handed to it is to what lives here.
    unsafe {
        let words = stack.add(1);
        let environment = words.add(*stack + 1);
        let variable = path.as_mut_ptr().cast::<u8>();
        let Some(program) = find(variable) else {
            fail(b"cannot find the program lxc-rs: is /proc mounted?");
        };
        let list = variables.as_mut_ptr().cast::<usize>();
        let first = &raw const ROOM_ENTRY as usize;
        if copy(environment, list, [first, variable as usize])
            && let Some(tree) = mounted(program)
        {
            let empty = c"".as_ptr() as usize;
            call(number::EXECVEAT, [tree, empty, words as usize, list as usize, AT_EMPTY_PATH]);
        }
        let environment = if copy(environment, list, [first]) { list } else { environment };
        call(number::EXECVE, [program as usize, words as usize, environment as usize]);
    }
    fail(b"cannot execute ../../bin/lxc-rs, which belongs to this program")
}

/// Writes the variable with the path of lxc-rs to `text`; where the path begins.
///
/// # Safety
///
/// There is room for a [`Path`].
unsafe fn find(text: *mut u8) -> Option<*const u8> {
    // SAFETY: the path has at most 4096 bytes, and the rest fits in what is beyond.
    unsafe {
        let name = text.add(write(text, PATH_VARIABLE.as_bytes()));
        let path = name.add(write(name, b"="));
        let own = c"/proc/self/exe".as_ptr() as usize;
        let length = call(number::READLINKAT, [AT_FDCWD, own, path as usize, 4096]);
        let mut end = usize::try_from(length).ok()?;
        for _ in 0..BELOW_PREFIX {
            while end > 0 && *path.add(end - 1) != b'/' {
                end -= 1;
            }
            end = end.checked_sub(1)?;
        }
        write(path.add(end), PROGRAM);
        Some(path)
    }
}

/// Copies `bytes`; returns how many.
///
/// # Safety
///
/// There is room for them.
unsafe fn write(to: *mut u8, bytes: &[u8]) -> usize {
    for (at, byte) in bytes.iter().enumerate() {
        // SAFETY: as the caller vouches.
        unsafe { *to.add(at) = *byte };
    }
    bytes.len()
}

/// Makes `to` a list of the variables `first` and those of `environment`; whether there is room for them.
///
/// # Safety
///
/// `environment` ends with a null, and `to` has room for [`VARIABLES`].
unsafe fn copy<const N: usize>(
    environment: *const usize,
    to: *mut usize,
    first: [usize; N],
) -> bool {
    // SAFETY: nothing after the null is read, and nothing beyond the room is written.
    unsafe {
        for (at, variable) in first.iter().enumerate() {
            *to.add(at) = *variable;
        }
        for at in 0..VARIABLES - N {
            *to.add(N + at) = *environment.add(at);
            if *environment.add(at) == 0 {
                return true;
            }
        }
    }
    false
}

/// A descriptor of the file on a read-only mount of its own.
///
/// # Safety
///
/// `path` ends with a NUL.
unsafe fn mounted(path: *const u8) -> Option<usize> {
    let empty = c"".as_ptr() as usize;
    // SAFETY: the texts end with a NUL, and the attributes have the size that is said.
    unsafe {
        let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
        let tree = usize::try_from(call(OPEN_TREE, [AT_FDCWD, path as usize, flags])).ok()?;
        let size = size_of_val(&READ_ONLY);
        let attributes = READ_ONLY.as_ptr() as usize;
        let set = call(MOUNT_SETATTR, [tree, empty, AT_EMPTY_PATH, attributes, size]);
        (set == 0).then_some(tree)
    }
}

fn fail(text: &[u8]) -> ! {
    for part in [b"lxc-launcher: ", text, b"\n"] {
        // SAFETY: the text lives across the call.
        unsafe { call(number::WRITE, [STDERR, part.as_ptr() as usize, part.len()]) };
    }
    exit(255)
}
