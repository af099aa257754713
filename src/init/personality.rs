//! The personality that a container's programs have (personality(2)).

use nix::sys::personality::{Persona, set};

use crate::config::Arch;

/// That of a 32-bit system on a 64-bit kernel (linux/personality.h).
const PER_LINUX32: i32 = 0x0008;

/// Gives this process the personality of `arch`.
pub fn take(arch: Arch) -> nix::Result<()> {
    let persona = match arch {
        Arch::Bits32 => Persona::from_bits_retain(PER_LINUX32),
        Arch::Bits64 => Persona::empty(),
    };
    set(persona).map(drop)
}
