//! What a store is told when it is made and opened.

use std::path::PathBuf;

/// A 16-byte identity.
pub type Uuid16 = [u8; 16];

/// Where a store lives and what it may use.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The OSD's directory (`DIR/osd.N`): holds the index, and the data file unless `device` is given.
    pub path: PathBuf,
    /// A raw block device (or a file) for log and data; `None`: `path/data`, preallocated by mkfs.
    pub device: Option<PathBuf>,
    /// Size of the data file that mkfs makes, bytes. Ignored for a block device, which is used whole.
    pub size_bytes: u64,
    /// What the store's caches, memtables and buffers may use together, bytes.
    pub memory_target_bytes: u64,
    /// Whether the device forgets what was not flushed.
    pub volatile_cache: CacheMode,
}

impl StoreConfig {
    /// The file or device that holds superblocks, log and data.
    pub fn device_path(&self) -> PathBuf {
        self.device.clone().unwrap_or_else(|| self.path.join("data"))
    }
    /// The directory of the index.
    pub fn index_path(&self) -> PathBuf {
        self.path.join("index")
    }

    /// What the file system that holds the index can still take, bytes. It shares that with whatever else is there, so
    /// the index may find no room while the store has plenty. `None`: the system does not say.
    pub fn index_room_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(self.index_path()).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Whether a completed write may still be lost with the power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// As the kernel says of a block device; unknown counts as volatile, and so does every file.
    #[default]
    Auto,
    /// Flush before each acknowledgement.
    Volatile,
    /// Never flush: the operator vouches that what is written stays (power-loss protection).
    None,
}

/// Whether the device is told of space that holds nothing any more (`osd_discard`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiscardMode {
    /// A block device that announces discards is.
    #[default]
    Auto,
    /// Also a file, which gives its space back to the file system then and may not get it again.
    On,
    /// Never.
    Off,
}

impl std::str::FromStr for DiscardMode {
    type Err = String;
    fn from_str(text: &str) -> Result<DiscardMode, String> {
        match text {
            "auto" => Ok(DiscardMode::Auto),
            "on" => Ok(DiscardMode::On),
            "off" => Ok(DiscardMode::Off),
            other => Err(format!("{other:?} is none of auto, on, off")),
        }
    }
}

/// Who a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Made anew by each mkfs.
    pub uuid: Uuid16,
    /// The cluster.
    pub fsid: Uuid16,
    /// The OSD.
    pub osd_id: u32,
}

/// A UUID's usual text form.
pub(crate) fn uuid_text(id: &Uuid16) -> String {
    let hex: String = id.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
