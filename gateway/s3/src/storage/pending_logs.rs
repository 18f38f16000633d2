//! Records of bucket logs that were taken down and are not delivered yet: rows of a few objects of the meta pool, so that
//! they outlive the gateway that wrote them and any gateway can deliver them (docs/formats/s3-meta.md).
//!
//! Records that go into one log object are a *group*. Its row says which *epoch* of it is being filled; records are added
//! in the same operation that proves the row unchanged. To deliver, the row moves on to the next epoch and names the
//! object that the old one becomes: from then on nobody adds to the old one, so whoever delivers it, however often,
//! delivers the same. Its records leave in the same operation that forgets the name.

use super::Storage;
use super::names;
use crate::error::S3Error;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_object::op::Compare;
use osd_object::view::OmapRange;
use osd_object::{Op, OpResult};
use sha2::{Digest, Sha256};
use std::ops::Bound;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// Groups are spread over so many objects.
pub(crate) const SHARDS: u8 = 4;
/// An epoch that has so many bytes is delivered before its time.
pub(crate) const EPOCH_BYTES: u64 = 8 << 20;
/// While the epoch before is not delivered, more than this is not taken down.
const EPOCH_BYTES_MAX: u64 = 2 * EPOCH_BYTES;
/// How often a row is read again because another gateway changed it meanwhile.
const TRIES: usize = 100;

/// What decides which log object a record goes into.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogGroup {
    /// The full name of the bucket that gets it.
    pub(crate) target: String,
    /// What its key begins with.
    pub(crate) prefix: String,
    /// With what it goes on, where keys are partitioned: folders for the owner, the region and the source.
    pub(crate) partition: String,
    /// The day, in days since 1970, whose partition it goes to; none: that of the delivery, if there are partitions.
    pub(crate) day: Option<u64>,
    /// Whether the key goes on with a folder for each day.
    pub(crate) by_day: bool,
}
stdx::codec_plain!(LogGroup { target, prefix, partition, day, by_day });

impl LogGroup {
    fn hash(&self) -> [u8; 16] {
        let digest: [u8; 32] = Sha256::digest(to_bytes(self)).into();
        std::array::from_fn(|i| digest[i])
    }
    /// In which of the objects it is.
    pub(crate) fn shard(&self) -> u8 {
        self.hash()[0] % SHARDS
    }
    fn row_key(&self) -> Bytes {
        [&b"g"[..], &self.hash()].concat().into()
    }
    fn records_prefix(&self, epoch: u64) -> Vec<u8> {
        [&b"r"[..], &self.hash(), &epoch.to_be_bytes()].concat()
    }
}

/// A delivery that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// What is delivered.
    pub(crate) epoch: u64,
    /// The key of the object that it becomes.
    pub(crate) key: String,
    /// Which gateway began it.
    pub(crate) by: u64,
    /// When, milliseconds since 1970.
    pub(crate) since_ms: u64,
}
stdx::codec_plain!(Delivery { epoch, key, by, since_ms });

/// The row of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupRow {
    pub(crate) group: LogGroup,
    /// What is being filled.
    pub(crate) epoch: u64,
    /// Bytes of records in it.
    pub(crate) bytes: u64,
    /// When it is to be delivered, milliseconds since 1970.
    pub(crate) due_ms: u64,
    /// Whether the epoch before is on its way.
    pub(crate) delivery: Option<Delivery>,
}
stdx::codec_versioned!(GroupRow, 1 { group, epoch, bytes, due_ms, delivery });

/// Records of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogRecords {
    /// The bucket's full name.
    pub(crate) source: String,
    /// Its owner, when they were made.
    pub(crate) owner: String,
    /// Lines, each with its end.
    pub(crate) lines: Bytes,
}
stdx::codec_versioned!(LogRecords, 1 { source, owner, lines });

/// What became of records that were to be taken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// They are durable; the group is due then, milliseconds since 1970.
    Down(u64),
    /// There is no room: what was taken down before is not delivered for too long.
    Full,
}

fn raced(e: &OpError) -> bool {
    e.code == Errno::ECANCELED && e.step.is_some()
}

fn absent(e: &OpError) -> bool {
    e.code == Errno::ENOENT && e.step.is_some()
}

impl<R: Rados> Storage<R> {
    fn log_row_ops(row: &LogGroup, old: Option<&GroupRow>, new: Option<&GroupRow>) -> Vec<Op> {
        let key = row.row_key();
        // An absent row compares as an empty value.
        let value = old.map_or_else(Bytes::new, to_bytes);
        let change = match new {
            Some(new) => Op::OmapSet { rows: vec![(key.clone(), to_bytes(new))] },
            None => Op::OmapRm { keys: vec![key.clone()] },
        };
        vec![Op::Create { exclusive: false }, Op::CmpOmap { key, compare: Compare::Eq, value }, change]
    }

    /// Changes something if the row is still as it was read. Whether it was.
    async fn log_change(&self, group: &LogGroup, ops: Vec<Op>) -> Result<bool, S3Error> {
        let pool = &self.inner.config.meta_pool;
        match self.inner.rados.operate(pool, names::pending_logs(group.shard()), ops).await {
            Ok(_) => Ok(true),
            Err(e) if raced(&e) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// The row of a group.
    pub(crate) async fn log_group(&self, group: &LogGroup) -> Result<Option<GroupRow>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let ops = vec![Op::OmapGet { keys: vec![group.row_key()] }];
        match self.inner.rados.operate(pool, names::pending_logs(group.shard()), ops).await {
            Ok(reply) => row_of(reply.results.into_iter().next()),
            Err(e) if absent(&e) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// All groups of one of the objects. Damaged rows are passed over, with a word in the log.
    pub(crate) async fn log_groups(&self, shard: u8) -> Result<Vec<GroupRow>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let rows = self.omap_rows(pool, names::pending_logs(shard), Bytes::from_static(b"g")).await?;
        let read = |(_, value)| match from_bytes(value) {
            Ok(row) => Some(row),
            Err(e) => {
                tracing::warn!("a row of undelivered bucket logs cannot be read: {e}");
                None
            }
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Takes records of a group down, to be delivered `roll_ms` after the first of them. They are durable when this
    /// returns.
    pub(crate) async fn log_take_down(
        &self,
        group: &LogGroup,
        records: &[LogRecords],
        roll_ms: u64,
    ) -> Result<Taken, S3Error> {
        let bytes: u64 = records.iter().map(|r| r.lines.len() as u64).sum();
        for _ in 0..TRIES {
            let old = self.log_group(group).await?;
            let now_ms = self.inner.rados.now().millis();
            let due_ms = now_ms.saturating_add(roll_ms);
            let mut new = match &old {
                Some(row) => row.clone(),
                None => GroupRow { group: group.clone(), epoch: 0, bytes: 0, due_ms, delivery: None },
            };
            if new.bytes > 0 && new.bytes.saturating_add(bytes) > EPOCH_BYTES_MAX {
                return Ok(Taken::Full);
            }
            if new.bytes == 0 {
                new.due_ms = due_ms;
            }
            new.bytes = new.bytes.saturating_add(bytes);
            let mut ops = Self::log_row_ops(group, old.as_ref(), Some(&new));
            let mut rows = Vec::with_capacity(records.len());
            for one in records {
                // By time, so that an object's records are about in order; with chance, for no two rows are the same.
                let mut key = group.records_prefix(new.epoch);
                key.extend(now_ms.to_be_bytes());
                key.extend(names::random_id()?.to_be_bytes());
                rows.push((Bytes::from(key), to_bytes(one)));
            }
            ops.push(Op::OmapSet { rows });
            if self.log_change(group, ops).await? {
                return Ok(Taken::Down(if new.bytes >= EPOCH_BYTES { now_ms } else { new.due_ms }));
            }
        }
        Err(S3Error::internal("too many gateways take down records of one bucket log"))
    }

    /// Begins the delivery of what was taken down so far; `delivery.epoch` is filled in. None if there is nothing, or
    /// somebody else changed the row.
    pub(crate) async fn log_begin(
        &self,
        row: &GroupRow,
        delivery: Delivery,
    ) -> Result<Option<Delivery>, S3Error> {
        if row.bytes == 0 || row.delivery.is_some() {
            return Ok(None);
        }
        let delivery = Delivery { epoch: row.epoch, ..delivery };
        let new =
            GroupRow { epoch: row.epoch + 1, bytes: 0, delivery: Some(delivery.clone()), ..row.clone() };
        let begun = self.log_change(&row.group, Self::log_row_ops(&row.group, Some(row), Some(&new))).await?;
        Ok(begun.then_some(delivery))
    }

    /// The records of a delivery, in about the order in which they were made. None if it is over.
    pub(crate) async fn log_records(
        &self,
        group: &LogGroup,
        delivery: &Delivery,
    ) -> Result<Option<Vec<LogRecords>>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let mut range = OmapRange::prefix(&group.records_prefix(delivery.epoch));
        let mut out = Vec::new();
        loop {
            // Row and records of one moment: a delivery that is over must not be repeated with what is left of it.
            let ops =
                vec![Op::OmapGet { keys: vec![group.row_key()] }, Op::OmapGetRange { range: range.clone() }];
            let reply = match self.inner.rados.operate(pool, names::pending_logs(group.shard()), ops).await {
                Ok(reply) => reply,
                Err(e) if absent(&e) => return Ok(None),
                Err(e) => return Err(e.into()),
            };
            let mut results = reply.results.into_iter();
            let row = row_of(results.next())?;
            if row.and_then(|row| row.delivery).as_ref() != Some(delivery) {
                return Ok(None);
            }
            let Some(OpResult::Rows(page)) = results.next() else {
                return Err(S3Error::internal("a page of bucket log records is missing"));
            };
            if let Some((last, _)) = page.rows.last() {
                range.start = Bound::Excluded(last.clone());
            }
            for (_, value) in page.rows {
                match from_bytes(value) {
                    Ok(records) => out.push(records),
                    Err(e) => tracing::warn!("records of a bucket log cannot be read and are lost: {e}"),
                }
            }
            if !page.more {
                return Ok(Some(out));
            }
        }
    }

    /// Ends a delivery: its records go.
    pub(crate) async fn log_end(&self, group: &LogGroup, delivery: &Delivery) -> Result<(), S3Error> {
        let prefix = Bytes::from(group.records_prefix(delivery.epoch));
        let next = Bytes::from(group.records_prefix(delivery.epoch + 1));
        for _ in 0..TRIES {
            let Some(old) = self.log_group(group).await? else { return Ok(()) };
            if old.delivery.as_ref() != Some(delivery) {
                return Ok(());
            }
            let new = GroupRow { delivery: None, ..old.clone() };
            let new = (new.bytes > 0).then_some(new);
            let mut ops = Self::log_row_ops(group, Some(&old), new.as_ref());
            ops.push(Op::OmapRmRange { start: prefix.clone(), end: Some(next.clone()) });
            if self.log_change(group, ops).await? {
                return Ok(());
            }
        }
        Err(S3Error::internal("too many gateways deliver one bucket log"))
    }
}

/// The row of a group as a read of its key gave it.
fn row_of(result: Option<OpResult>) -> Result<Option<GroupRow>, S3Error> {
    let Some(OpResult::Rows(page)) = result else { return Ok(None) };
    let row = page.rows.into_iter().next().map(|(_, value)| from_bytes(value));
    row.transpose()
        .map_err(|e| S3Error::internal(format!("a row of undelivered bucket logs cannot be read: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageConfig;
    use gateway_client::MemoryRados;

    fn group() -> LogGroup {
        LogGroup { target: "logs".into(), prefix: "p/".into(), ..LogGroup::default() }
    }

    fn records(text: &str) -> Vec<LogRecords> {
        let lines = Bytes::copy_from_slice(text.as_bytes());
        vec![LogRecords { source: "src".into(), owner: "ann".into(), lines }]
    }

    fn delivery(key: &str) -> Delivery {
        Delivery { epoch: 0, key: key.into(), by: 1, since_ms: 0 }
    }

    fn world() -> Storage<MemoryRados> {
        Storage::new(MemoryRados::new(&["s3.meta", "s3.index", "s3.data"]), StorageConfig::default())
    }

    fn text(records: Option<Vec<LogRecords>>) -> Option<String> {
        let joined = |all: Vec<LogRecords>| {
            all.iter().map(|r| String::from_utf8_lossy(&r.lines).into_owned()).collect::<String>()
        };
        records.map(joined)
    }

    #[tokio::test]
    async fn a_delivery_is_of_what_was_there_when_it_began() {
        let (s, g) = (world(), group());
        assert!(matches!(s.log_take_down(&g, &records("a\n"), 1000).await.unwrap(), Taken::Down(_)));
        let row = s.log_group(&g).await.unwrap().unwrap();
        assert_eq!((row.bytes, s.log_groups(g.shard()).await.unwrap().len()), (2, 1));
        let begun = s.log_begin(&row, delivery("k1")).await.unwrap().unwrap();
        assert_eq!(s.log_begin(&row, delivery("k2")).await.unwrap(), None, "the row has moved on");
        s.log_take_down(&g, &records("b\n"), 1000).await.unwrap();
        // However often.
        for _ in 0..2 {
            assert_eq!(text(s.log_records(&g, &begun).await.unwrap()).as_deref(), Some("a\n"));
        }
        s.log_end(&g, &begun).await.unwrap();
        assert_eq!(s.log_records(&g, &begun).await.unwrap(), None, "it is over");
        s.log_end(&g, &begun).await.unwrap();
        let row = s.log_group(&g).await.unwrap().unwrap();
        let second = s.log_begin(&row, delivery("k2")).await.unwrap().unwrap();
        assert_eq!(text(s.log_records(&g, &second).await.unwrap()).as_deref(), Some("b\n"));
        s.log_end(&g, &second).await.unwrap();
        assert_eq!(s.log_groups(g.shard()).await.unwrap(), []);
    }

    #[tokio::test]
    async fn many_gateways_take_down_at_once_and_nothing_is_lost_or_doubled() {
        let (s, g) = (world(), group());
        let all = (0..40).map(|i| {
            let (s, g) = (s.clone(), g.clone());
            tokio::spawn(
                async move { s.log_take_down(&g, &records(&format!("{i:02}\n")), 1000).await.unwrap() },
            )
        });
        for one in all.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        let row = s.log_group(&g).await.unwrap().unwrap();
        let begun = s.log_begin(&row, delivery("k")).await.unwrap().unwrap();
        let text = text(s.log_records(&g, &begun).await.unwrap()).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, (0..40).map(|i| format!("{i:02}")).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_waits_for_its_delivery_is_bounded() {
        let (s, g) = (world(), group());
        let much = "x".repeat(EPOCH_BYTES as usize / 2);
        for _ in 0..4 {
            assert!(matches!(s.log_take_down(&g, &records(&much), 1000).await.unwrap(), Taken::Down(_)));
        }
        assert_eq!(s.log_take_down(&g, &records(&much), 1000).await.unwrap(), Taken::Full);
    }
}
