//! Block devices with a name that stays while the device is not there: logical volumes that are not active,
//! images of Ceph that are not mapped.

use std::path::Path;

use super::{check, growth, wait_until_free};
use crate::error::Result;
use crate::storage::attached::{self, Attached};
use crate::storage::{Backend, RootfsMount};

/// A back-end whose `source` is the path of such a device.
pub(in crate::storage) trait Named: Backend + Sized {
    /// The size of `source`, by what manages it; fails unless it exists. Its device need not be there.
    fn size(&self, source: &str) -> Result<Size>;

    /// Makes its device.
    fn connect(&self, source: &str) -> Result<()>;

    /// Removes its device, which nobody uses.
    fn disconnect(&self, source: &str) -> Result<()>;

    /// Lets it have `size` bytes, which is more than it has.
    fn extend(&self, source: &str, size: u64) -> Result<()>;
}

/// How large one is.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) struct Size {
    /// Its bytes.
    pub(in crate::storage) bytes: u64,
    /// The bytes that it has a whole number of.
    pub(in crate::storage) unit: u64,
}

/// [`Backend::rootfs_mount`]
pub(in crate::storage) fn rootfs_mount(named: &impl Named, source: &str) -> Result<RootfsMount> {
    let device = Path::new(source);
    if device.exists() {
        check(device)?;
    } else {
        named.size(source)?;
    }
    Ok(RootfsMount::Block(device.to_owned()))
}

/// [`Backend::activate`]
pub(in crate::storage) fn activate(named: &impl Named, source: &str) -> Result<bool> {
    let device = Path::new(source);
    if device.exists() {
        return Ok(false);
    }
    let _lock = attached::lock()?;
    attached::attach(named, source, device, || named.connect(source))?;
    Ok(true)
}

/// [`Backend::deactivate`]
pub(in crate::storage) fn deactivate(named: &impl Named, source: &str) -> Result<()> {
    if attached::device(named, source).is_none() {
        return Ok(());
    }
    let _lock = attached::lock()?;
    release(named, source)?;
    attached::forget(named, source)
}

/// Removes the device of `source`, if it is there, when nobody uses it any more.
pub(in crate::storage) fn release(named: &impl Named, source: &str) -> Result<()> {
    let device = Path::new(source);
    if !device.exists() {
        return Ok(());
    }
    wait_until_free(device)?;
    named.disconnect(source)
}

/// [`Backend::can_limit`]
pub(in crate::storage) fn can_limit(source: &str) -> Result<()> {
    let device = Path::new(source);
    if device.exists() { growth::check(device) } else { Ok(()) }
}

/// [`Backend::limit`]: it has that size, rounded up to whole units, and can grow.
pub(in crate::storage) fn limit(
    named: &'static impl Named,
    source: &str,
    size: Option<u64>,
) -> Result<()> {
    let Some(size) = size else { return Ok(()) };
    let device = Path::new(source);
    let has = named.size(source)?;
    let size = size.div_ceil(has.unit).saturating_mul(has.unit);
    growth::refuse_less(device, has.bytes, size)?;
    let _attached = Attached::of(named, source)?;
    growth::check_to(device, has.bytes, size)?;
    if size > has.bytes {
        named.extend(source, size)?;
    }
    growth::fill(device)
}
