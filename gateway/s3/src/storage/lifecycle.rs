//! Which buckets have lifecycle rules, how far each round over them is, and who works on it: rows of one object, changed
//! only by compare-and-set. What a round does is harmless to repeat, so a lease that two believe in costs work, no data.

use super::Storage;
use super::names;
use super::types::Bucket;
use crate::error::S3Error;
use bytes::Bytes;
use gateway_client::Rados;
use osd_object::op::Compare;
use osd_object::{ObjectName, Op};
use std::time::Duration;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};
use tokio::sync::watch;

/// How far the round over a bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Over.
    Done,
    /// At its versions: keys up to this one are done; none: it begins.
    Versions {
        /// The key.
        after: Option<String>,
    },
    /// At its uploads.
    Uploads,
}
stdx::codec_enum!(Stage { 0 => Done, 1 => Versions { after }, 2 => Uploads });

/// The row of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LifecycleRow {
    /// The bucket's identity.
    pub(crate) id: u64,
    /// When its rules were put, milliseconds since 1970.
    pub(crate) put_ms: u64,
    /// When the latest round began, milliseconds since 1970; 0: none ever did.
    pub(crate) begun_ms: u64,
    /// How far it is.
    pub(crate) stage: Stage,
    /// Who works on it.
    pub(crate) worker: u64,
    /// Until when, milliseconds since 1970.
    pub(crate) lease_ms: u64,
}
stdx::codec_versioned!(LifecycleRow, 1 { id, put_ms, begun_ms, stage, worker, lease_ms });

impl<R: Rados> Storage<R> {
    /// Notes that a bucket has rules: before the rules are set, so that none are forgotten.
    pub(crate) async fn lifecycle_note(&self, bucket: &Bucket) -> Result<(), S3Error> {
        let row = LifecycleRow {
            id: bucket.id.0,
            put_ms: self.inner.rados.now().millis(),
            begun_ms: 0,
            stage: Stage::Done,
            worker: 0,
            lease_ms: 0,
        };
        let rows = vec![(Bytes::from(bucket.full_name()), to_bytes(&row))];
        let pool = &self.inner.config.meta_pool;
        let ops = vec![Op::Create { exclusive: false }, Op::OmapSet { rows }];
        self.inner.rados.operate(pool, ObjectName::new(names::LIFECYCLE), ops).await?;
        Ok(())
    }

    /// All rows, by bucket name. Damaged ones are passed over, with a word in the log.
    pub(crate) async fn lifecycle_rows(&self) -> Result<Vec<(String, LifecycleRow)>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let rows = self.omap_rows(pool, ObjectName::new(names::LIFECYCLE), Bytes::new()).await?;
        let mut out = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let name = String::from_utf8_lossy(&key).into_owned();
            match from_bytes(value) {
                Ok(row) => out.push((name, row)),
                Err(e) => tracing::warn!("the lifecycle row of {name} cannot be read: {e}"),
            }
        }
        Ok(out)
    }

    /// Replaces a row that is still `old`; with none, removes it. Whether it was.
    pub(crate) async fn lifecycle_exchange(
        &self,
        name: &str,
        old: &LifecycleRow,
        new: Option<&LifecycleRow>,
    ) -> Result<bool, S3Error> {
        let key = Bytes::copy_from_slice(name.as_bytes());
        let ops = vec![
            Op::CmpOmap { key: key.clone(), compare: Compare::Eq, value: to_bytes(old) },
            match new {
                Some(new) => Op::OmapSet { rows: vec![(key, to_bytes(new))] },
                None => Op::OmapRm { keys: vec![key] },
            },
        ];
        let pool = &self.inner.config.meta_pool;
        match self.inner.rados.operate(pool, ObjectName::new(names::LIFECYCLE), ops).await {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.code, Errno::ECANCELED | Errno::ENOENT) && e.step.is_some() => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// A day of lifecycle rules lasts so long from now on; none: as usual. For tests of rules by operators
    /// (`rgw_lc_debug_interval`).
    pub fn set_lifecycle_day(&self, day: Option<Duration>) {
        self.inner.lifecycle_day.send_if_modified(|now| std::mem::replace(now, day) != day);
    }

    /// How long a day of lifecycle rules is, and when that changes.
    pub(crate) fn lifecycle_day(&self) -> watch::Receiver<Option<Duration>> {
        self.inner.lifecycle_day.subscribe()
    }
}
