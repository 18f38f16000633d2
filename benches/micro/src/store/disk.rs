//! What the block layer counts for the device that a path lies on.

use std::path::Path;

/// Bytes of a sector in the kernel's statistics, whatever the device's own.
const SECTOR_BYTES: u64 = 512;
/// Sectors written: the seventh field of the kernel's `Documentation/block/stat.rst`.
const WRITTEN: usize = 6;

/// Bytes ever written to the device under `path`, by anybody.
pub(super) fn written_bytes(path: &Path) -> Result<u64, String> {
    let fail = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let device = rustix::fs::stat(path).map_err(|error| fail(&error))?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let file = format!("/sys/dev/block/{major}:{minor}/stat");
    let text = std::fs::read_to_string(&file).map_err(|error| fail(&format!("{file}: {error}")))?;
    let sectors = text.split_whitespace().nth(WRITTEN).and_then(|word| word.parse::<u64>().ok());
    Ok(sectors.ok_or_else(|| fail(&format!("{file} has no count of sectors written")))? * SECTOR_BYTES)
}
