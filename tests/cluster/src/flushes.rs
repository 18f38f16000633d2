//! The kernel's own count of flushes on the disk under a folder.
//!
//! Linux Documentation/block/stat.rst: field 16 of /sys/dev/block/M:N/stat is the number of flush requests that the
//! device has completed. The block layer merges flushes that wait side by side, so the count is what the device did,
//! at most what was asked for.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The counter of one disk.
pub struct Flushes {
    stat: PathBuf,
}

impl Flushes {
    /// The disk that holds `path`; an error says why it has no counter (a tmpfs, an old kernel).
    pub fn of(path: &Path) -> Result<Flushes, String> {
        let dev = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.dev();
        let (major, minor) = (rustix::fs::major(dev), rustix::fs::minor(dev));
        let sys = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
        let real = std::fs::canonicalize(&sys).map_err(|e| format!("{}: {e}", sys.display()))?;
        // A partition's own counters have no flushes; the disk above it does.
        let disk =
            if real.join("partition").exists() { real.parent().map(Path::to_path_buf) } else { Some(real) };
        let flushes = Flushes { stat: disk.ok_or("a partition without a disk")?.join("stat") };
        flushes.read().map(|_| flushes)
    }

    /// Flushes completed since the machine started.
    pub fn count(&self) -> u64 {
        self.read().unwrap_or_else(|e| panic!("{e}"))
    }

    /// The file that is read.
    pub fn source(&self) -> &Path {
        &self.stat
    }

    fn read(&self) -> Result<u64, String> {
        let text =
            std::fs::read_to_string(&self.stat).map_err(|e| format!("{}: {e}", self.stat.display()))?;
        let field = text.split_whitespace().nth(15);
        field
            .and_then(|f| f.parse().ok())
            .ok_or_else(|| format!("{} has no flush counter (Linux 5.5 and later have)", self.stat.display()))
    }
}
