//! Block devices: loop devices, which are made of files (linux/loop.h, loop(4)).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::error::{Context, Error, Result};

/// How often a free loop device is looked for.
const TRIES: usize = 64;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl Info {
    const NONE: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
}

/// `struct loop_config`.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<Info>() == 232 && size_of::<Config>() == 304);

/// `LO_FLAGS_READ_ONLY`.
const READ_ONLY: u32 = 1;
/// `LO_FLAGS_AUTOCLEAR`.
const AUTOCLEAR: u32 = 4;

/// The ioctls, which nix makes public.
mod ioctl {
    use super::{Config, Info};

    nix::ioctl_none_bad!(clear, 0x4c01);
    nix::ioctl_none_bad!(set_capacity, 0x4c07);
    nix::ioctl_none_bad!(get_free, 0x4c82);
    nix::ioctl_read_bad!(get_status, 0x4c05, Info);
    nix::ioctl_write_ptr_bad!(configure, 0x4c0a, Config);
}

/// A loop device that is open. One that was made here is gone when nothing has it open or mounted, whatever
/// ended its users (`LO_FLAGS_AUTOCLEAR`).
#[derive(Debug)]
pub struct LoopDevice {
    file: File,
    /// Its name.
    pub path: PathBuf,
}

impl LoopDevice {
    /// The one that is made of all of `file`, if there is one. It stays as long as the value.
    pub fn of(file: &File) -> io::Result<Option<Self>> {
        let wanted = file.metadata()?;
        // Only those that are made of a file have that.
        for entry in Path::new("/sys/block").read_dir()? {
            let entry = entry?;
            if !entry.path().join("loop").exists() {
                continue;
            }
            let path = Path::new("/dev").join(entry.file_name());
            let Ok(device) = open(&path, false).or_else(|_| open(&path, true)) else { continue };
            // Open, it is what it is found to be: nothing clears it any more.
            let Ok(info) = status(&device) else { continue };
            if (info.device, info.inode) == (wanted.dev(), wanted.ino())
                && (info.offset, info.size_limit) == (0, 0)
            {
                return Ok(Some(Self { file: device, path }));
            }
        }
        Ok(None)
    }

    /// Makes one of all of `file`, which is called `name` (Linux 5.8).
    pub fn make(file: &File, name: &Path, read_only: bool) -> Result<Self> {
        let control = Path::new("/dev/loop-control");
        let control = open(control, false).context(|| failed(control))?;
        let mut info = Info { flags: AUTOCLEAR, ..Info::NONE };
        if read_only {
            info.flags |= READ_ONLY;
        }
        // The last byte stays a NUL.
        let bytes = name.as_os_str().as_bytes();
        let len = bytes.len().min(info.file_name.len() - 1);
        info.file_name[..len].copy_from_slice(&bytes[..len]);
        let fd = u32::try_from(file.as_raw_fd()).map_err(|_| Error::new("a bad descriptor"))?;
        let config = Config { fd, block_size: 0, info, reserved: [0; 8] };
        for _ in 0..TRIES {
            // SAFETY: the ioctl takes no argument.
            let number = unsafe { ioctl::get_free(control.as_raw_fd()) }
                .context(|| "cannot get a free loop device")?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = open(&path, read_only).context(|| failed(&path)).map_err(|error| {
                error.hint(format!(
                    "if /dev is not a devtmpfs: mknod -m 0600 {} b 7 {number}",
                    path.display()
                ))
            })?;
            // SAFETY: the ioctl reads the structure it is given, which lives across the call and has no
            // pointer in it.
            match unsafe { ioctl::configure(device.as_raw_fd(), &raw const config) } {
                Ok(_) => return Ok(Self { file: device, path }),
                // Somebody else got it first.
                Err(Errno::EBUSY) => {}
                Err(errno) => {
                    let what = format!("cannot make {} of {}", path.display(), name.display());
                    return Err(Error::new(what).errno(errno));
                }
            }
        }
        Err(Error::new("cannot get a free loop device").errno(Errno::EBUSY))
    }
}

impl LoopDevice {
    /// Lets it have the size that its file has now.
    pub fn take_size(&self) -> nix::Result<()> {
        // SAFETY: the ioctl takes no argument.
        unsafe { ioctl::set_capacity(self.file.as_raw_fd()) }.map(drop)
    }

    /// Whether it stays when nobody uses it: it was made by another tool.
    pub fn stays(&self) -> bool {
        status(&self.file).is_ok_and(|info| info.flags & AUTOCLEAR == 0)
    }

    /// Lets it go as soon as nobody uses it.
    pub fn give_up(&self) -> nix::Result<()> {
        // SAFETY: the ioctl takes no argument.
        unsafe { ioctl::clear(self.file.as_raw_fd()) }.map(drop)
    }
}

fn failed(path: &Path) -> String {
    format!("cannot open {}", path.display())
}

impl AsFd for LoopDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn open(path: &Path, read_only: bool) -> io::Result<File> {
    File::options().read(true).write(!read_only).open(path)
}

fn status(device: &File) -> nix::Result<Info> {
    let mut info = Info::NONE;
    // SAFETY: the ioctl fills the structure it is given, of numbers only.
    unsafe { ioctl::get_status(device.as_raw_fd(), &raw mut info) }.map(|_| info)
}
