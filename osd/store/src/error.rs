//! What can go wrong with a store: what, where, and what to do next.

use crate::device::DeviceError;
use osd_object::ObjectId;
use std::path::PathBuf;
use stdx::Errno;

/// Why a store could not be made, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing there to open.
    #[error("no store at {path}: make one with `nacre osd mkfs`, or check the path")]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A device or file without a superblock, and nothing beside it that tells of a store.
    #[error(
        "the superblock of {path} is empty: if no store was ever made there, `nacre osd mkfs` makes one; if one was, it \
         was wiped, and mkfs would destroy what may be left of it"
    )]
    Blank {
        /// The device or file.
        path: PathBuf,
    },
    /// mkfs or open met a store of another cluster or another OSD.
    #[error(
        "{path} holds the store of {found}, not of {wanted}: use another directory, or move that store away"
    )]
    Foreign {
        /// The store.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose was expected.
        wanted: String,
    },
    /// mkfs met bytes that no store of ours wrote, or a store whose superblocks are all damaged.
    #[error(
        "{path} is not empty and not a store this build can read: wipe it by hand if nothing on it is needed"
    )]
    NotEmpty {
        /// The device or file.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("{path} is in use by another process: stop that OSD first")]
    InUse {
        /// The device or file.
        path: PathBuf,
    },
    /// No two superblock copies agree.
    #[error(
        "the superblock of {path} is damaged ({detail}): restore the disk; or, once its PGs are whole elsewhere (`nacre health \
         detail`), move what is there away, make a new store with `nacre osd mkfs` and let it refill from its peers"
    )]
    DamagedSuperblock {
        /// The device or file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Written by a newer build.
    #[error("the store at {path} was written by a newer version ({detail}): upgrade this daemon")]
    TooNew {
        /// The device or file.
        path: PathBuf,
        /// The version or feature that is not known.
        detail: String,
    },
    /// The log is broken below what it promised to be durable.
    #[error(
        "the log is damaged at {detail}, below what was promised durable: the OSD itself goes on with what is left and is \
         refilled by its peers"
    )]
    DamagedLog {
        /// Where and how.
        detail: String,
    },
    /// The index is missing, belongs to another store, or is older than the log allows.
    #[error(
        "the index of the store is damaged ({detail}): `nacre fsck --osd-path` tells more; if that cannot repair it, and once \
         its PGs are whole elsewhere (`nacre health detail`), move the OSD's directory away, make a new store with `nacre osd \
         mkfs` and start it: its peers refill it"
    )]
    DamagedIndex {
        /// What was found.
        detail: String,
    },
    /// The device is too small for a store.
    #[error("{size_bytes} bytes are too few for a store, the least is {least_bytes}")]
    TooSmall {
        /// Size given.
        size_bytes: u64,
        /// Least size.
        least_bytes: u64,
    },
    /// The transaction needs more space than writes may use. Nothing was changed.
    #[error("no space: {wanted_bytes} bytes wanted, {free_bytes} free; add OSDs or delete data")]
    NoSpace {
        /// Bytes the transaction would allocate.
        wanted_bytes: u64,
        /// Bytes that ordinary writes may still take.
        free_bytes: u64,
    },
    /// A partial write of a packed unit needed bytes whose checksum does not match. Nothing was changed.
    #[error("unit {unit} of {object} is damaged: repair the object from another replica")]
    DamagedUnit {
        /// The object.
        object: Box<ObjectId>,
        /// Logical 4 KiB unit within it.
        unit: u64,
    },
    /// The transaction cannot be carried out by any store. Nothing was changed.
    #[error("the transaction is invalid: {0}")]
    Invalid(&'static str),
    /// The transaction does not fit into the log. Nothing was changed.
    #[error("the transaction takes {bytes} bytes of log, the most is {most_bytes}")]
    TooLarge {
        /// Bytes of its record.
        bytes: u64,
        /// The limit.
        most_bytes: u64,
    },
    /// A read, write or flush failed: the OSD must stop and refill what it missed from its peers.
    #[error("the device failed: {0}; the OSD stops, check the disk")]
    Device(#[from] DeviceError),
    /// The index failed.
    #[error("the index failed: {0}; the OSD stops, check the disk")]
    Index(#[from] crate::index::IndexError),
    /// An earlier error stopped the store.
    #[error("the store has stopped after an earlier error")]
    Stopped,
    /// A file operation failed.
    #[error("{what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl StoreError {
    pub(crate) fn file(what: &'static str, path: &std::path::Path, source: std::io::Error) -> StoreError {
        StoreError::File { what, path: path.to_path_buf(), source }
    }

    /// The code that a client sees.
    pub fn errno(&self) -> Errno {
        match self {
            StoreError::NoSpace { .. } | StoreError::TooSmall { .. } => Errno::ENOSPC,
            StoreError::Invalid(_) => Errno::EINVAL,
            StoreError::TooLarge { .. } => Errno::E2BIG,
            _ => Errno::EIO,
        }
    }

    /// Whether the store can go on: the transaction was refused, nothing was changed.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            StoreError::NoSpace { .. }
                | StoreError::Invalid(_)
                | StoreError::TooLarge { .. }
                | StoreError::DamagedUnit { .. }
        )
    }
}
