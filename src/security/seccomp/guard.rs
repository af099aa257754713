//! The filter of a container whose root filesystem has a limit of its size: what would leave the limit
//! behind is refused.

use std::fmt::Write;

use super::compile_text;
use crate::error::Result;

/// Making subvolumes and snapshots of btrfs, which anybody may; what is in one counts for itself. `ENOTTY`
/// is what programs hear on other file systems, where they make a directory instead.
const SUBVOLUMES: [u32; 4] = [0x5000_9401, 0x5000_940e, 0x5000_9417, 0x5000_9418];

/// What root of the host's user namespace may: change the project of a file and what is made in a
/// directory (`FS_IOC_FSSETXATTR`, `FS_IOC_SETFLAGS` of 64 and 32 bits), and quotas of btrfs. In a user
/// namespace of its own the kernel refuses that.
const PROJECTS_AND_QUOTAS: [u32; 7] =
    [0x401c_5820, 0x4008_6602, 0x4004_6602, 0xc010_9428, 0x4018_9429, 0x4010_942a, 0x8030_942b];

/// System calls that do the same.
const CALLS: [&str; 2] = ["quotactl", "quotactl_fd"];

/// Refuses `file_setattr(2)` (Linux 6.17), which libseccomp knows by no name. It has the same number on all
/// architectures, but for the bit that x32 has in all: instructions (code, jumps, value) that end where the
/// program after them begins.
const FILE_SETATTR: [(u16, [u8; 2], u32); 4] = [
    // The number of the call, without that bit; if it is this one, an error.
    (0x20, [0, 0], 0),
    (0x54, [0, 0], !0x4000_0000),
    (0x15, [0, 1], 469),
    (0x06, [0, 0], 0x0005_0000 | libc::EPERM.cast_unsigned()),
];

/// The filter's program, for a container with ids of its own or without.
pub fn compile(has_ids: bool) -> Result<Vec<u8>> {
    let mut text = "2\ndenylist\n".to_owned();
    let mut refuse = |number: u32, errno: i32| {
        // The kernel reads 32 bits of the number.
        let _ = writeln!(text, "ioctl errno {errno} [1,{number:#x},&=,0xffffffff]");
    };
    for number in SUBVOLUMES {
        refuse(number, libc::ENOTTY);
    }
    if !has_ids {
        for number in PROJECTS_AND_QUOTAS {
            refuse(number, libc::EPERM);
        }
        for call in CALLS {
            let _ = writeln!(text, "{call} errno {}", libc::EPERM);
        }
    }
    let program = compile_text(&text, "lxc.rootfs.size")?;
    if has_ids {
        return Ok(program);
    }
    let before = FILE_SETATTR.iter().flat_map(|(code, jumps, value)| {
        [code.to_ne_bytes().as_slice(), jumps, &value.to_ne_bytes()].concat()
    });
    Ok(before.chain(program).collect())
}
