//! The clone hook `clonehostname`: a name of this program below `share/lxc/hooks`, where shipped and
//! existing configurations name it. Its files belong to the container, so no shell touches them.

use super::errln;
use crate::container::copy::replace_name;
use crate::exit::ExitCode;

/// The name by which it is called.
pub(super) const PROGRAM: &str = "clonehostname";

/// Puts the copy's name in the place of the source's (lxc-copy(1), "COPY HOOK").
pub(super) fn run() -> ExitCode {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let found = (variable("LXC_SRC_NAME"), variable("LXC_NAME"), variable("LXC_ROOTFS_MOUNT"));
    let (Some(old), Some(new), Some(root)) = found else { return ExitCode::SUCCESS };
    match replace_name(root.as_ref(), &old.to_string_lossy(), &new.to_string_lossy()) {
        Ok(left) => {
            for one in left {
                errln!("{PROGRAM}: {one}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            errln!("{PROGRAM}: {error}");
            ExitCode::FAILURE
        }
    }
}
