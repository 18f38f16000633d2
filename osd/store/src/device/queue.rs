//! What the kernel says of a block device's queue.

use rustix::fs::{FileType, Stat};
use std::path::Path;

/// An attribute of the queue, such as `write_cache`; `None` for anything but a block device, or if the kernel does
/// not say.
pub(crate) fn attribute(stat: &Stat, name: &str) -> Option<String> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::BlockDevice {
        return None;
    }
    let number = format!("{}:{}", rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let base = Path::new("/sys/dev/block").join(number);
    // A partition has its queue one level up.
    let read = |queue: &str| std::fs::read_to_string(base.join(queue).join(name)).ok();
    ["queue", "../queue"].into_iter().find_map(read).map(|text| text.trim().to_string())
}
