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
    #[command(visible_alias = "info")]
    Stats {
        /// Its name.
        bucket: Option<String>,
    },
    /// Prove a bucket's index against its data: that all data is there that the index names, and that none is there
    /// that nothing names.
    Check {
        /// Its name; all buckets if absent.
        bucket: Option<String>,
        /// Go on where a check of this bucket that was cut short stood. (It notes that every few seconds.)
        #[arg(long, requires = "bucket")]
        resume: bool,
    },
    /// Give a bucket's index other limits, split its shards until all are within them, and merge those far below. Readers
    /// and writers go on.
    Reshard {
        /// Its name.
        bucket: String,
        /// A shard splits at so many keys.
        #[arg(long, default_value_t = 50_000)]
        max_keys: u64,
        /// A shard splits at so many bytes of rows, such as 64M.
        #[arg(long, default_value = "64M", value_parser = crate::size::parse)]
        max_bytes: u64,
    },
    /// Fill a bucket with small objects, past S3: for trying out what millions of keys are like.
    #[command(hide = true)]
    Load {
        /// Its name.
        bucket: String,
        /// How many objects.
        #[arg(long)]
        keys: u64,
        /// The first one's number.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Keys of each common prefix: key number N is `d(N/PER)/k(N)`.
        #[arg(long, default_value_t = 1000)]
        per_prefix: u64,
        /// So many ranges are loaded at once.
        #[arg(long, default_value_t = 4)]
        writers: u64,
    },
    /// Remove a bucket.
    Rm {
        /// Its name.
        bucket: String,
        /// With all that is in it, for good; without it, only an empty bucket goes. The bucket is gone at once, its
        /// space is freed afterwards in the background.
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
