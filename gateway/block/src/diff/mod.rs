//! Differences between two snapshots of an image as a stream of bytes: backups that hold only what changed, and images
//! kept alike on two clusters. The format is drawn in docs/formats/image-diff.md.

mod apply;
mod export;
mod format;
mod records;
mod walk;

use crate::error::BlockError;

pub(crate) use apply::IMPORTING;
pub(crate) use export::origin_row;

pub use apply::Applied;
pub use export::Written;
pub use format::{Head, Mark};
pub use walk::{Run, split_zeros};

/// Why a difference could not be written or applied.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The stream itself.
    #[error("the stream of the difference failed: {0}")]
    Stream(#[from] std::io::Error),
    /// It does not begin as one.
    #[error("that is no difference between snapshots; `nacre image export-diff` writes them")]
    NotADiff,
    /// Of a later version.
    #[error("the difference is in version {0} of its format, which this program cannot read; upgrade it")]
    Newer(u32),
    /// It ends before its end record.
    #[error(
        "the difference is cut off after {at} bytes; what came until then was applied, and the same command with the \
         whole difference goes on from there"
    )]
    Cut {
        /// Bytes that were there.
        at: u64,
    },
    /// What it holds is not what was written.
    #[error("the difference is damaged before byte {at}: {what}")]
    Damaged {
        /// Bytes read so far.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// It begins at a snapshot that is not there.
    #[error(
        "the difference begins at the snapshot {snapshot}, which does not exist; import the one that makes it first"
    )]
    StartMissing {
        /// POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// It begins at another snapshot of the same name.
    #[error(
        "the snapshot {snapshot} is not the one that the difference begins at; only its name is the same"
    )]
    StartDiffers {
        /// POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// The image was written since that snapshot.
    #[error(
        "the image is not what it was at {snapshot}, where the difference begins; \
         `nacre image snap rollback {snapshot}` first, if what was written since may go"
    )]
    Changed {
        /// POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// Another one was applied in part.
    #[error(
        "another difference was applied to {image} in part; apply that one to its end, or roll the image back to a \
         snapshot"
    )]
    Another {
        /// POOL/NAME.
        image: String,
    },
    /// From a later snapshot to an earlier one.
    #[error("the snapshot {from} is not older than {to}")]
    Backwards {
        /// Where it was to begin.
        from: String,
        /// Where it was to end.
        to: String,
    },
    /// The image.
    #[error(transparent)]
    Image(#[from] BlockError),
}
