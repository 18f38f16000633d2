//! Logs of buckets: records of requests, delivered as objects of other buckets, in S3's access log format or as Ceph's
//! journals (docs/s3-bucket-logging.md).
//!
//! A record is gathered in memory (`queue`), taken down within a fraction of a second (`storage::pending_logs`), and
//! delivered when its log object is due (`deliver`), by whichever gateway finds it. No request waits for the target:
//! standard records wait for nothing at all, records of journals until they are taken down.

mod config;
mod deliver;
mod operation;
mod permit;
mod queue;
mod record;
mod request;

pub(crate) use config::{Logging, is_kept, of_document, to_document};
pub(crate) use deliver::check as check_target;
pub(crate) use request::{Answered, Heading, Logged};

use config::KeyFormat;
use deliver::Deliveries;
use queue::Queue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::storage::{Bucket, LogGroup};

/// Logs of all buckets, as one gateway keeps them.
pub(crate) struct BucketLogs {
    queue: Queue,
    deliveries: Deliveries,
    region: String,
    /// Seconds between two log objects where the bucket does not say; it may change while the gateway runs.
    roll_s: Arc<AtomicU32>,
}

impl BucketLogs {
    pub(crate) fn new(region: &str, roll_s: Arc<AtomicU32>) -> BucketLogs {
        BucketLogs {
            queue: Queue::default(),
            deliveries: Deliveries::default(),
            region: region.into(),
            roll_s,
        }
    }

    /// Seconds between two log objects where the bucket does not say.
    pub(crate) fn roll_s(&self) -> u32 {
        self.roll_s.load(Ordering::Relaxed).max(1)
    }

    fn roll_ms(&self, logging: &Logging) -> u64 {
        u64::from(logging.roll_s.unwrap_or(self.roll_s())) * 1000
    }

    /// Where records of a bucket go that are made at this time, seconds since 1970.
    fn group(&self, bucket: &Bucket, logging: &Logging, now_s: u64) -> LogGroup {
        let by_day = logging.format != KeyFormat::Simple;
        let partition = match by_day {
            true => format!("{}/{}/{}/", bucket.owner, self.region, shown_name(&bucket.full_name())),
            false => String::new(),
        };
        let day = (logging.format == KeyFormat::ByEvent).then_some(now_s / 86_400);
        LogGroup { target: logging.target.clone(), prefix: logging.prefix.clone(), partition, day, by_day }
    }
}

/// `[TENANT:]NAME` of a bucket's full name.
pub(crate) fn shown_name(full: &str) -> String {
    full.replacen('/', ":", 1)
}
