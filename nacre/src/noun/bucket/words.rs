//! The words of `nacre bucket`.

use crate::noun::user::words::Limits;
use clap::Subcommand;

/// A bucket is named by its name, or TENANT/NAME.
#[derive(Subcommand)]
pub(crate) enum BucketCommand {
    /// All buckets.
    Ls {
        /// Only those of this user.
        #[arg(long)]
        uid: Option<String>,
    },
    /// What a bucket is and how much it holds; all buckets if none is named.
    Stats {
        /// Its name.
        bucket: Option<String>,
    },
    /// Prove a bucket's index against its data: that all data is there that the index names, and that none is there
    /// that nothing names.
    Check {
        /// Its name; all buckets if absent.
        bucket: Option<String>,
    },
    /// Remove a bucket.
    Rm {
        /// Its name.
        bucket: String,
        /// With all that is in it, for good; without it, only an empty bucket goes.
        #[arg(long)]
        purge_objects: bool,
    },
    /// How much a bucket may hold.
    #[command(subcommand)]
    Quota(BucketQuotaCommand),
    /// Give a bucket to another user.
    Chown {
        /// Its name.
        bucket: String,
        /// The new owner.
        uid: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum BucketQuotaCommand {
    /// Set the bucket's own quota, in place of the one its owner has for buckets.
    Set {
        /// The bucket.
        bucket: String,
        #[command(flatten)]
        limits: Limits,
    },
    /// Let the bucket's own quota hold again.
    Enable {
        /// The bucket.
        bucket: String,
    },
    /// Let it rest: nothing limits this bucket but the user's quota.
    Disable {
        /// The bucket.
        bucket: String,
    },
    /// Remove it: the one that the owner has for buckets holds again.
    Rm {
        /// The bucket.
        bucket: String,
    },
}
