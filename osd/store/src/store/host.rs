//! A store on this machine: a preallocated file or a block device, and an index in a directory.

use super::open::Opening;
use super::{Limits, Store};
use crate::config::{Identity, StoreConfig, Uuid16};
use crate::device::queue;
use crate::device::uring::UringDevice;
use crate::error::StoreError;
use crate::index::layered::LayeredIndex;
use crate::index::rocks::RocksIndex;
use crate::index::{Family, Index};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

impl Store {
    /// Makes a store for an OSD; returns its identity. Leaves a store of the same OSD and cluster as it is,
    /// and refuses anything else that is there.
    pub fn mkfs(config: &StoreConfig, osd_id: u32, fsid: [u8; 16]) -> Result<Uuid16, StoreError> {
        std::fs::create_dir_all(&config.path)
            .map_err(|e| StoreError::file("cannot make", &config.path, e))?;
        keep_private(&config.path)
            .map_err(|e| StoreError::file("cannot keep other users out of", &config.path, e))?;
        let device_path = config.device_path();
        if config.device.is_none() {
            preallocate(&device_path, config.size_bytes)?;
        }
        let mut device = open_device(&device_path)?;
        let mut uuid = [0; 16];
        getrandom::fill(&mut uuid)
            .map_err(|e| StoreError::file("no entropy for the uuid of", &config.path, io::Error::other(e)))?;
        // Version 4, variant 1 (RFC 9562).
        uuid[6] = uuid[6] & 0x0f | 0x40;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        let make_index = || {
            let path = config.index_path();
            if holds_objects(&path, config.memory_target_bytes) {
                return Err(wiped(&device_path));
            }
            // No superblock and no objects, so this is the rest of a mkfs that was cut short.
            match std::fs::remove_dir_all(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::file("cannot remove", &path, e));
                }
                _ => {}
            }
            let index: Box<dyn Index> = Box::new(RocksIndex::create(&path, config.memory_target_bytes)?);
            // A superblock without its index would neither open nor be made again: the names come first.
            sync_folder(&config.path)?;
            config.path.parent().map_or(Ok(()), sync_folder)?;
            Ok(index)
        };
        Store::mkfs_on(&mut device, make_index, Identity { uuid, fsid, osd_id }, &device_path)
    }

    /// Opens the store, redoing what its log holds. A store that lost acknowledged writes opens as what is left of it:
    /// see `is_damaged`.
    pub fn open(config: &StoreConfig) -> Result<Store, StoreError> {
        let mut store = Store::open_host(config, Opening::Salvage)?;
        if store.is_damaged() {
            store.distrust_damaged_objects()?;
        }
        Ok(store)
    }

    pub(super) fn open_host(config: &StoreConfig, opening: Opening) -> Result<Store, StoreError> {
        let path = config.device_path();
        if !path.exists() {
            return Err(StoreError::NotFound { path });
        }
        if opening == Opening::Frozen {
            return Store::open_frozen(config, &path);
        }
        let device = open_device(&path)?;
        // Stores that older programs made; one that is another user's can still be served.
        if let Err(error) = keep_private(&config.path) {
            tracing::warn!(path = %config.path.display(), %error, "cannot keep other users out of the store");
        }
        let volatile = Limits::is_volatile(config.volatile_cache, is_write_through(&path));
        let limits = Limits::new(config.memory_target_bytes, volatile);
        let mut open_index = || {
            let path = index_directory(config)?;
            let index: Box<dyn Index> = Box::new(RocksIndex::open(&path, config.memory_target_bytes)?);
            Ok(index)
        };
        match Store::open_as(opening, Box::new(device), &mut open_index, limits, &path) {
            Err(StoreError::Blank { path })
                if holds_objects(&config.index_path(), config.memory_target_bytes) =>
            {
                Err(wiped(&path))
            }
            opened => opened,
        }
    }

    /// Opens for looking only: no byte of device and index changes. What the log holds stays in memory, at most the
    /// log's length (1 GiB).
    fn open_frozen(config: &StoreConfig, path: &Path) -> Result<Store, StoreError> {
        let device = opened(path, UringDevice::open_read_only)?;
        let limits = Limits {
            volatile_cache: false,
            memory_target_bytes: config.memory_target_bytes,
            index_dirty_bytes_max: u64::MAX,
            overlay_bytes_max: u64::MAX,
        };
        let mut open_index = || {
            let path = index_directory(config)?;
            let base = RocksIndex::open_read_only(&path, config.memory_target_bytes)?;
            let index: Box<dyn Index> = Box::new(LayeredIndex::new(Box::new(base)));
            Ok(index)
        };
        Store::open_as(Opening::Frozen, Box::new(device), &mut open_index, limits, path)
    }
}

/// Nobody but its owner may look into a store's folder: whatever lies in the index is readable there, the secrets of S3
/// users too, and RocksDB makes files that all may read.
fn keep_private(folder: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(folder)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode & 0o700))
}

fn index_directory(config: &StoreConfig) -> Result<PathBuf, StoreError> {
    let path = config.index_path();
    if path.is_dir() {
        return Ok(path);
    }
    Err(StoreError::DamagedIndex { detail: format!("no directory {}", path.display()) })
}

/// Whether there is an index that a store has used: then an empty superblock does not mean that there never was one.
/// An index that cannot be opened counts too, if it has more files than mkfs makes.
fn holds_objects(path: &Path, memory_bytes: u64) -> bool {
    if !path.is_dir() {
        return false;
    }
    match RocksIndex::open(path, memory_bytes).and_then(|index| index.persisted_lsn()) {
        Ok(lsn) => lsn > 0,
        Err(_) => {
            let tables = std::fs::read_dir(path).into_iter().flatten().flatten();
            let tables = tables.filter(|f| f.path().extension().is_some_and(|e| e == "sst")).count();
            tables > Family::ALL.len()
        }
    }
}

fn wiped(path: &Path) -> StoreError {
    let detail = "all its copies are empty, yet the index beside it holds objects".to_string();
    StoreError::DamagedSuperblock { path: path.to_path_buf(), detail }
}

/// How long the kernel may take to let go of the device of a process that is gone.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// Between two tries for the lock; there is no event to wait for that has an end.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Opens the device for this process alone. The kernel takes a ring down some time after its process is gone,
/// and until then its writes may still reach the device: the lock, which the ring holds too, is waited for.
fn open_device(path: &Path) -> Result<UringDevice, StoreError> {
    opened(path, UringDevice::open)
}

fn opened(path: &Path, open: impl Fn(&Path) -> io::Result<UringDevice>) -> Result<UringDevice, StoreError> {
    let start = Instant::now();
    loop {
        match open(path) {
            Ok(device) => return Ok(device),
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => {
                return Err(StoreError::file("cannot open", path, e));
            }
            Err(_) if start.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_RETRY),
            Err(_) => return Err(StoreError::InUse { path: path.to_path_buf() }),
        }
    }
}

/// Makes the names in a folder durable; a file's own sync says nothing of its name.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    // The parent of a relative path of one part is written as nothing.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let folder = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let synced = folder.and_then(rustix::fs::fsync);
    synced.map_err(|e| StoreError::file("cannot make durable the names in", path, e.into()))
}

/// Makes the data file with all its space, unless it is there. A file that got no space is removed again.
fn preallocate(path: &Path, size_bytes: u64) -> Result<(), StoreError> {
    crate::layout::Geometry::for_size(size_bytes)?;
    let fail = |e: rustix::io::Errno| StoreError::file("cannot allocate", path, e.into());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(fail)?;
    // An empty file is what a mkfs leaves that was cut short before this.
    if rustix::fs::fstat(&file).map_err(fail)?.st_size > 0 {
        return Ok(());
    }
    let size = size_bytes / crate::layout::UNIT * crate::layout::UNIT;
    let allocated = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size);
    let allocated = allocated.and_then(|()| rustix::fs::fsync(&file));
    allocated.map_err(|e| {
        // The failure above is what is reported.
        let _ = std::fs::remove_file(path);
        fail(e)
    })
}

/// Whether the kernel says that a block device has no volatile cache. Unknown, and every file: no.
fn is_write_through(path: &Path) -> bool {
    let Ok(stat) = rustix::fs::stat(path) else { return false };
    queue::attribute(&stat, "write_cache").is_some_and(|mode| mode == "write through")
}
