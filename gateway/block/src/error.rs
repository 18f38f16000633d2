//! Why something with an image did not happen.

use gateway_client::OpError;
use stdx::Errno;

/// A failure, as a sentence for a person; NBD and the command line map it to their codes.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlockError {
    /// No image of that name.
    #[error("there is no image {image}; `nacre image ls` shows them")]
    NoSuchImage {
        /// POOL/NAME.
        image: String,
    },
    /// No image of that id in the trash.
    #[error(
        "the trash of the pool {pool} has no image of the id {id}; `nacre image trash ls {pool}` shows them"
    )]
    NotInTrash {
        /// The pool.
        pool: String,
        /// What was asked for.
        id: String,
    },
    /// The name is taken.
    #[error("the image {image} exists already")]
    Exists {
        /// POOL/NAME.
        image: String,
    },
    /// No snapshot of that name.
    #[error("there is no snapshot {snapshot}; `nacre image snap ls` shows them")]
    NoSuchSnapshot {
        /// POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// The image has a snapshot of that name.
    #[error("the snapshot {snapshot} exists already")]
    SnapshotExists {
        /// POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// No group of that name.
    #[error("there is no group {group}; `nacre group ls` shows them")]
    NoSuchGroup {
        /// POOL/NAME.
        group: String,
    },
    /// The snapshot is guarded against removal.
    #[error("the snapshot {snapshot} is protected; `nacre image snap unprotect` it first")]
    Protected {
        /// POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// Only what cannot go away may be cloned.
    #[error(
        "the snapshot {snapshot} is not protected, so it cannot be cloned; `nacre image snap protect` it first"
    )]
    NotProtected {
        /// POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// Clones read from it.
    #[error(
        "the snapshot {snapshot} has {count} clones (`nacre image children` shows them); flatten or remove them first"
    )]
    HasChildren {
        /// POOL/NAME@SNAPSHOT.
        snapshot: String,
        /// How many.
        count: usize,
    },
    /// An image cannot go before its snapshots.
    #[error("the image {image} has {count} snapshots (`nacre image snap ls` shows them); remove them first")]
    HasSnapshots {
        /// POOL/NAME.
        image: String,
        /// How many.
        count: usize,
    },
    /// Somebody else has it open for writing.
    #[error("the image {image} is in use by {owner}; disconnect its clients there first")]
    InUse {
        /// POOL/NAME.
        image: String,
        /// The holder of its lock.
        owner: String,
    },
    /// We had it open for writing, and another took over because we were silent.
    #[error(
        "the lock of image {image} was taken over by another; this side may no longer use it, open it again"
    )]
    Fenced {
        /// POOL/NAME.
        image: String,
    },
    /// A write through a handle opened for reading.
    #[error("the image {image} is open for reading only")]
    ReadOnly {
        /// POOL/NAME.
        image: String,
    },
    /// A range past the end.
    #[error("bytes {offset}+{len} lie outside the image {image} of {size} bytes")]
    OutOfRange {
        /// POOL/NAME.
        image: String,
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
        /// The image's size, bytes.
        size: u64,
    },
    /// A name, size or option that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A shrink that nobody confirmed.
    #[error(
        "shrinking {image} from {from} to {to} bytes destroys what lies beyond; say --allow-shrink if that is meant"
    )]
    WouldShrink {
        /// POOL/NAME.
        image: String,
        /// Bytes now.
        from: u64,
        /// Bytes asked for.
        to: u64,
    },
    /// The header changed while we worked on it.
    #[error("another client is changing the image {image}; try again")]
    Changed {
        /// POOL/NAME.
        image: String,
    },
    /// The image uses something this build does not have.
    #[error("the image {image} has features {features:#x} that this version cannot serve; upgrade it")]
    Unsupported {
        /// POOL/NAME.
        image: String,
        /// The bits that are unknown here.
        features: u64,
    },
    /// Rows that no version writes.
    #[error("{object}: the row {row} is damaged; check the pool with `nacre health detail`")]
    Damaged {
        /// The object.
        object: String,
        /// The row.
        row: String,
    },
    /// The cluster refused or could not do it.
    #[error("{0}")]
    Storage(#[from] OpError),
}

impl BlockError {
    /// The nearest errno, for protocols that only have numbers.
    pub fn code(&self) -> Errno {
        match self {
            BlockError::NoSuchImage { .. }
            | BlockError::NoSuchSnapshot { .. }
            | BlockError::NoSuchGroup { .. }
            | BlockError::NotInTrash { .. } => Errno::ENOENT,
            BlockError::Exists { .. } | BlockError::SnapshotExists { .. } => Errno::EEXIST,
            BlockError::InUse { .. }
            | BlockError::Changed { .. }
            | BlockError::Protected { .. }
            | BlockError::HasChildren { .. } => Errno::EBUSY,
            BlockError::NotProtected { .. } => Errno::EINVAL,
            BlockError::HasSnapshots { .. } => Errno::ENOTEMPTY,
            BlockError::Fenced { .. } => Errno::ESTALE,
            BlockError::ReadOnly { .. } => Errno::EPERM,
            BlockError::OutOfRange { .. } | BlockError::Invalid(_) | BlockError::WouldShrink { .. } => {
                Errno::EINVAL
            }
            BlockError::Unsupported { .. } => Errno::EOPNOTSUPP,
            BlockError::Damaged { .. } => Errno::EIO,
            BlockError::Storage(error) => error.code,
        }
    }
}
