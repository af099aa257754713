//! Two versions: of this program, and of the LXC release whose interface it provides.
//!
//! Programs that call the `lxc-*` commands or the library compare the version that these tell with
//! LXC's own (1.0, 2.1, 4.0) to choose options and configuration keys.
//!
//! ```
//! use lxc_rs::version;
//!
//! println!("lxc-rs {}, with the interface of LXC {}", version::OWN, version::LXC_RELEASE);
//! assert_eq!(version::LXC_RELEASE_C.to_bytes(), version::LXC_RELEASE.as_bytes());
//! ```

use std::ffi::CStr;

/// The LXC release whose commands, configuration keys and C functions these are.
pub const LXC_RELEASE_C: &CStr = c"5.0.2";

/// [`LXC_RELEASE_C`] as text.
pub const LXC_RELEASE: &str = match LXC_RELEASE_C.to_str() {
    Ok(release) => release,
    Err(_) => panic!("a release number is ASCII"),
};

/// The version of this program.
pub const OWN: &str = env!("CARGO_PKG_VERSION");
