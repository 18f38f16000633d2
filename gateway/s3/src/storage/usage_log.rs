//! Who used what: a row per owner, bucket and hour, with figures per category, as RGW's usage log has it.
//!
//! Rows lie in the omap of one object per owner in the meta pool; several gateways add to them by compare-and-set
//! (docs/formats/s3-meta.md).

use super::Storage;
use super::names;
use crate::error::{Code, S3Error};
use bytes::Bytes;
use gateway_client::Rados;
use osd_object::op::Compare;
use osd_object::view::OmapRange;
use osd_object::{Op, OpResult};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// Rows that are changed in one operation.
const BATCH: usize = 64;
/// How often rows are read again because another gateway added to them meanwhile.
const TRIES: usize = 50;
/// Rows that are removed in one operation.
const TRIM: usize = 1000;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of answers' bodies.
    pub bytes_sent: u64,
    /// Bytes of requests' bodies.
    pub bytes_received: u64,
    /// Requests.
    pub ops: u64,
    /// Requests that were answered with success.
    pub successful_ops: u64,
}
stdx::codec_plain!(Figures { bytes_sent, bytes_received, ops, successful_ops });

impl Figures {
    /// Both together.
    pub fn plus(self, other: Figures) -> Figures {
        Figures {
            bytes_sent: self.bytes_sent.saturating_add(other.bytes_sent),
            bytes_received: self.bytes_received.saturating_add(other.bytes_received),
            ops: self.ops.saturating_add(other.ops),
            successful_ops: self.successful_ops.saturating_add(other.successful_ops),
        }
    }
}

/// What was done in one hour with one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageHour {
    /// The bucket's owner; who asked, where it was about no bucket.
    pub owner: String,
    /// The bucket; empty where it was about none, `-` for one that is not there.
    pub bucket: String,
    /// Hours since 1970.
    pub hour: u64,
    /// By category, as RGW names them (`get_obj`, `put_obj`, ...).
    pub categories: BTreeMap<String, Figures>,
}

struct Row {
    categories: BTreeMap<String, Figures>,
}
stdx::codec_versioned!(Row, 1 { categories });

fn row_key(hour: u64, bucket: &str) -> Bytes {
    let mut key = hour.to_be_bytes().to_vec();
    key.extend(bucket.as_bytes());
    key.into()
}

fn range_of(hours: &Range<u64>) -> OmapRange {
    let at = |hour: u64| Bytes::copy_from_slice(&hour.to_be_bytes());
    OmapRange {
        start: Bound::Included(at(hours.start)),
        end: Bound::Excluded(at(hours.end)),
        ..OmapRange::all()
    }
}

impl<R: Rados> Storage<R> {
    /// Adds to what is logged. What could not be added is given back, with the error.
    pub async fn usage_add(&self, rows: Vec<UsageHour>) -> Result<(), (Vec<UsageHour>, S3Error)> {
        let mut by_owner: BTreeMap<String, Vec<UsageHour>> = BTreeMap::new();
        for row in rows {
            by_owner.entry(row.owner.clone()).or_default().push(row);
        }
        let mut left: Vec<Vec<UsageHour>> = by_owner
            .into_values()
            .flat_map(|rows| rows.chunks(BATCH).map(<[UsageHour]>::to_vec).collect::<Vec<_>>())
            .collect();
        while let Some(batch) = left.pop() {
            if let Err(e) = self.usage_add_batch(&batch).await {
                left.push(batch);
                return Err((left.concat(), e));
            }
        }
        Ok(())
    }

    /// Adds rows of one owner.
    async fn usage_add_batch(&self, batch: &[UsageHour]) -> Result<(), S3Error> {
        let Some(owner) = batch.first().map(|row| row.owner.as_str()) else { return Ok(()) };
        let pool = &self.inner.config.meta_pool;
        // First the note that there is something of this owner: readers find the object by it.
        let note = vec![(Bytes::copy_from_slice(owner.as_bytes()), Bytes::from_static(b"1"))];
        let ops = vec![Op::Create { exclusive: false }, Op::OmapSet { rows: note }];
        self.inner.rados.operate(pool, names::usage_owners(), ops).await?;
        let object = names::usage(owner);
        // Rows of the same bucket and hour are one.
        let mut wanted: BTreeMap<Bytes, BTreeMap<String, Figures>> = BTreeMap::new();
        for row in batch {
            add(wanted.entry(row_key(row.hour, &row.bucket)).or_default(), &row.categories);
        }
        for _ in 0..TRIES {
            let keys = wanted.keys().cloned().collect();
            let there = match self.inner.rados.operate(pool, object.clone(), vec![Op::OmapGet { keys }]).await
            {
                Ok(reply) => match reply.results.into_iter().next() {
                    Some(OpResult::Rows(page)) => page.rows,
                    _ => Vec::new(),
                },
                Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Vec::new(),
                Err(e) => return Err(e.into()),
            };
            let there: BTreeMap<Bytes, Bytes> = there.into_iter().collect();
            let mut ops = vec![Op::Create { exclusive: false }];
            let mut rows = Vec::with_capacity(wanted.len());
            for (key, more) in &wanted {
                // An empty value stands for none.
                let old = there.get(key).cloned().unwrap_or_default();
                let mut categories =
                    if old.is_empty() { BTreeMap::new() } else { row(old.clone())?.categories };
                add(&mut categories, more);
                ops.push(Op::CmpOmap { key: key.clone(), compare: Compare::Eq, value: old });
                rows.push((key.clone(), to_bytes(&Row { categories })));
            }
            ops.push(Op::OmapSet { rows });
            match self.inner.rados.operate(pool, object.clone(), ops).await {
                Ok(_) => return Ok(()),
                Err(e) if e.code == Errno::ECANCELED && e.step.is_some() => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(S3Error::new(Code::OperationAborted))
    }

    async fn usage_owners(&self, uid: Option<&str>) -> Result<Vec<String>, S3Error> {
        if let Some(uid) = uid {
            return Ok(vec![uid.to_string()]);
        }
        let pool = &self.inner.config.meta_pool;
        let rows = self.omap_rows(pool, names::usage_owners(), Bytes::new()).await?;
        Ok(rows.into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect())
    }

    /// What is logged of an owner, or of all, in these hours; by owner, hour and bucket.
    pub async fn usage_read(&self, uid: Option<&str>, hours: Range<u64>) -> Result<Vec<UsageHour>, S3Error> {
        let mut out = Vec::new();
        let pool = &self.inner.config.meta_pool;
        for owner in self.usage_owners(uid).await? {
            let rows = self.omap_rows_in(pool, names::usage(&owner), range_of(&hours), usize::MAX).await?;
            for (key, value) in rows {
                let Some((hour, bucket)) = key.split_at_checked(8) else { continue };
                let hour = hour.try_into().map(u64::from_be_bytes).unwrap_or_default();
                let bucket = String::from_utf8_lossy(bucket).into_owned();
                let categories = row(value)?.categories;
                out.push(UsageHour { owner: owner.clone(), bucket, hour, categories });
            }
        }
        Ok(out)
    }

    /// Forgets what is logged of an owner, or of all, in these hours.
    pub async fn usage_trim(&self, uid: Option<&str>, hours: Range<u64>) -> Result<(), S3Error> {
        let pool = &self.inner.config.meta_pool;
        for owner in self.usage_owners(uid).await? {
            let object = names::usage(&owner);
            loop {
                let rows = self.omap_rows_in(pool, object.clone(), range_of(&hours), TRIM).await?;
                let keys: BTreeSet<Bytes> = rows.into_iter().map(|(key, _)| key).collect();
                if keys.is_empty() {
                    break;
                }
                let ops = vec![Op::OmapRm { keys: keys.into_iter().collect() }];
                self.inner.rados.operate(pool, object.clone(), ops).await?;
            }
        }
        Ok(())
    }
}

fn add(sum: &mut BTreeMap<String, Figures>, more: &BTreeMap<String, Figures>) {
    for (category, figures) in more {
        let have = sum.entry(category.clone()).or_default();
        *have = have.plus(*figures);
    }
}

fn row(value: Bytes) -> Result<Row, S3Error> {
    from_bytes(value).map_err(|e| S3Error::internal(format!("a row of the usage log cannot be read: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageConfig;
    use gateway_client::MemoryRados;

    fn hour(owner: &str, bucket: &str, hour: u64, ops: u64) -> UsageHour {
        let figures = Figures { ops, successful_ops: ops, bytes_sent: 10 * ops, bytes_received: 0 };
        let categories = [("get_obj".to_string(), figures)].into();
        UsageHour { owner: owner.into(), bucket: bucket.into(), hour, categories }
    }

    #[tokio::test]
    async fn gateways_add_up_and_hours_are_trimmed() {
        let rados = MemoryRados::new(&["s3.meta", "s3.index", "s3.data"]);
        let storage = || Storage::new(rados.clone(), StorageConfig::default());
        let (a, b) = (storage(), storage());
        let add = |s: Storage<MemoryRados>, n| async move {
            s.usage_add(vec![hour("ann", "x", 5, n), hour("ann", "", 6, 1), hour("bob", "y", 5, 1)]).await
        };
        let (one, two) = tokio::join!(add(a.clone(), 2), add(b, 3));
        assert!(one.is_ok() && two.is_ok());
        let all = a.usage_read(None, 0..u64::MAX).await.unwrap();
        assert_eq!(all, [hour("ann", "x", 5, 5), hour("ann", "", 6, 2), hour("bob", "y", 5, 2)]);
        assert_eq!(a.usage_read(Some("ann"), 6..7).await.unwrap(), [hour("ann", "", 6, 2)]);
        assert_eq!(a.usage_read(Some("nobody"), 0..9).await.unwrap(), []);
        a.usage_trim(None, 0..6).await.unwrap();
        assert_eq!(a.usage_read(None, 0..u64::MAX).await.unwrap(), [hour("ann", "", 6, 2)]);
        let many: Vec<_> = (0..200).map(|n| hour("eve", &format!("b{n}"), 1, 1)).collect();
        assert!(a.usage_add(many).await.is_ok());
        assert_eq!(a.usage_read(Some("eve"), 0..2).await.unwrap().len(), 200);
    }

    #[tokio::test]
    async fn what_could_not_be_added_comes_back() {
        let rados = MemoryRados::new(&["s3.meta", "s3.index", "s3.data"]);
        let storage = Storage::new(rados.clone(), StorageConfig::default());
        rados.inject(0, 3, gateway_client::memory::Fault::Refuse(Errno::ETIMEDOUT));
        let (back, e) =
            storage.usage_add(vec![hour("a", "x", 1, 1), hour("b", "y", 1, 1)]).await.unwrap_err();
        assert_eq!((back.len(), e.code()), (2, Code::ServiceUnavailable));
        rados.heal();
        assert!(storage.usage_add(back).await.is_ok());
        assert_eq!(storage.usage_read(None, 0..9).await.unwrap().len(), 2);
    }
}
