//! The kernel's own count of flushes on the disk under a folder.
//!
//! Linux Documentation/block/stat.rst: field 16 of a disk's `stat` is the number of flush requests that the device has
//! completed. The block layer merges flushes that wait side by side, so the count is what the device did, at most what
//! was asked for.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The counters of one disk, or of all where the one is not known.
pub struct Flushes {
    stats: Vec<PathBuf>,
}

impl Flushes {
    /// The disk that holds `path`. A file system without a disk of its own (an overlay, btrfs) counts all disks.
    pub fn of(path: &Path) -> Flushes {
        let stats = match disk(path) {
            Some(stat) => vec![stat],
            None => all_disks(),
        };
        assert!(!stats.is_empty(), "no disk of this machine counts its flushes (Linux 5.5 and later do)");
        Flushes { stats }
    }

    /// Flushes completed since the machine started.
    pub fn count(&self) -> u64 {
        self.stats.iter().filter_map(|stat| read(stat)).sum()
    }

    /// Milliseconds in which the disk had something to do, since the machine started (field 10).
    pub fn busy_ms(&self) -> u64 {
        self.stats.iter().filter_map(|stat| field(stat, 9)).sum()
    }

    /// Bytes written to the disk since the machine started (field 7, in sectors of 512 bytes).
    pub fn written_bytes(&self) -> u64 {
        self.stats.iter().filter_map(|stat| field(stat, 6)).sum::<u64>() * 512
    }

    /// What is read.
    pub fn source(&self) -> String {
        self.stats.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn disk(path: &Path) -> Option<PathBuf> {
    let dev = std::fs::metadata(path).ok()?.dev();
    let sys = format!("/sys/dev/block/{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
    let real = std::fs::canonicalize(sys).ok()?;
    // A partition's own counters have no flushes; those of the disk above it do.
    let disk = if real.join("partition").exists() { real.parent()?.to_path_buf() } else { real };
    let stat = disk.join("stat");
    read(&stat).map(|_| stat)
}

fn all_disks() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/sys/block") else { return Vec::new() };
    entries.flatten().map(|e| e.path().join("stat")).filter(|stat| read(stat).is_some()).collect()
}

fn read(stat: &Path) -> Option<u64> {
    field(stat, 15)
}

fn field(stat: &Path, number: usize) -> Option<u64> {
    std::fs::read_to_string(stat).ok()?.split_whitespace().nth(number)?.parse().ok()
}
