//! Where the helper of this library is: beside it, or where the build says.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Has the library use the helper of the installation that this file belongs to, if there is one.
pub fn find() {
    static FOUND: Once = Once::new();
    FOUND.call_once(|| {
        if let Some(helper) = own_file().as_deref().and_then(beside) {
            lxc_rs::set_helper(helper);
        }
    });
}

/// `PREFIX/libexec/lxc/lxc-helper` of a library in `PREFIX/lib` or a directory in that.
fn beside(library: &Path) -> Option<PathBuf> {
    let dirs = library.ancestors().skip(2).take(2);
    dirs.map(|prefix| prefix.join("libexec/lxc/lxc-helper")).find(|helper| helper.exists())
}

/// The file that this code was loaded from.
fn own_file() -> Option<PathBuf> {
    // SAFETY: all members of `Dl_info` are pointers, for which null is a value.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: dladdr takes any address, and writes to `info` only.
    let found = unsafe { libc::dladdr(find as fn() as *const _, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: on success it is the name of an object that stays loaded as long as this code is.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    std::fs::canonicalize(name.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helper_is_looked_up_in_the_librarys_own_prefix() {
        let prefix = std::env::temp_dir().join(format!("lxc-rs-beside-{}", std::process::id()));
        let helper = prefix.join("libexec/lxc/lxc-helper");
        let found =
            || ["lib/liblxc.so.1", "lib/triplet/liblxc.so.1"].map(|at| beside(&prefix.join(at)));
        assert_eq!(found(), [None, None]);
        std::fs::create_dir_all(helper.parent().unwrap()).unwrap();
        std::fs::write(&helper, "").unwrap();
        assert_eq!(found(), [Some(helper.clone()), Some(helper)]);
        std::fs::remove_dir_all(prefix).unwrap();
        assert!(own_file().is_some_and(|file| file.is_file()));
    }
}
