//! Which pool the bytes of a storage class go to, and in which pool those of a run lie.
//!
//! Pools get numbers, *slots*, that are never given to another pool. The slot of a run is in its name (the upper
//! byte of `seq`), so whoever frees, checks or reads a run knows its pool from the name alone. Slot 0 is the data
//! pool of the settings. Classes are names for slots, for what is to come: taking one away or giving it to another
//! pool leaves every object where it is.

use super::names;
use super::{Storage, lock};
use crate::error::{Code, S3Error};
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::index::Tag;
use osd_object::{ObjectName, Op};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// The class of what names none. Objects keep it as an empty name.
pub const STANDARD: &str = "STANDARD";
/// The longest name of a class, bytes.
const CLASS_BYTES_MAX: usize = 64;
/// How often the table is read again because somebody else changed it meanwhile.
const CHANGES_MAX: usize = 20;
/// Where the slot begins in a run's number.
const SLOT_SHIFT: u32 = 56;

/// A pool's number among the pools that hold data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(u8);

impl Slot {
    /// The slot of a run.
    pub(crate) fn of(tag: Tag) -> Slot {
        Slot((tag.seq >> SLOT_SHIFT) as u8)
    }
    /// The run of that number in this slot.
    pub(crate) fn tag(self, instance: u64, number: u64) -> Tag {
        debug_assert!(number >> SLOT_SHIFT == 0, "no gateway lives for so many runs");
        Tag { instance, seq: number | u64::from(self.0) << SLOT_SHIFT }
    }
}

/// The number of a run, whatever its slot: what intents count.
pub(crate) fn number_of(tag: Tag) -> u64 {
    tag.seq & ((1 << SLOT_SHIFT) - 1)
}

/// Pools and classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    /// Of the slots from 1 on.
    pools: Vec<String>,
    /// By class.
    slots: BTreeMap<String, u8>,
}
stdx::codec_versioned!(Table, 1 { pools, slots });

impl Table {
    /// The slot of a class; an empty name is STANDARD.
    fn slot(&self, class: &str) -> Option<Slot> {
        let class = if class.is_empty() { STANDARD } else { class };
        match self.slots.get(class) {
            Some(slot) => Some(Slot(*slot)),
            None => (class == STANDARD).then_some(Slot(0)),
        }
    }
    fn pool(&self, slot: Slot) -> Option<&str> {
        usize::from(slot.0).checked_sub(1).and_then(|n| self.pools.get(n)).map(String::as_str)
    }
    /// Maps a class to a pool. None: there are no slots left.
    fn set(&mut self, class: &str, pool: &str, default_pool: &str) -> Option<()> {
        let slot = if pool == default_pool {
            0
        } else {
            let known = self.pools.iter().position(|p| p == pool);
            let n = known.unwrap_or(self.pools.len());
            let slot = u8::try_from(n + 1).ok()?;
            if known.is_none() {
                self.pools.push(pool.to_string());
            }
            slot
        };
        self.slots.insert(class.to_string(), slot);
        Some(())
    }
}

/// What was last read of the table.
#[derive(Default)]
pub(crate) struct PlacementCache(Mutex<Option<(Instant, Arc<Table>)>>);

/// A storage class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass {
    /// Its name.
    pub name: String,
    /// The pool that its data goes to.
    pub pool: String,
}

/// Whether a class can have this name: capital letters, digits, `_` and `-`. `InvalidStorageClass`.
fn check_class(class: &str) -> Result<(), S3Error> {
    let good = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if !class.is_empty() && class.len() <= CLASS_BYTES_MAX && class.bytes().all(good) {
        return Ok(());
    }
    let message = "A storage class is named by 1 to 64 capital letters, digits, _ and -.";
    Err(S3Error::with_message(Code::InvalidStorageClass, message).field("StorageClassRequested", class))
}

fn no_class(class: &str) -> S3Error {
    S3Error::new(Code::InvalidStorageClass).field("StorageClassRequested", class)
}

impl<R: Rados> Storage<R> {
    /// All storage classes, by name.
    pub async fn storage_classes(&self) -> Result<Vec<StorageClass>, S3Error> {
        let (table, _) = self.read_placement().await?;
        let default = &self.inner.config.data_pool;
        let class = |name: &str, slot: Slot| StorageClass {
            name: name.to_string(),
            pool: table.pool(slot).unwrap_or(default).to_string(),
        };
        let mut all: BTreeMap<String, StorageClass> =
            table.slots.iter().map(|(name, slot)| (name.clone(), class(name, Slot(*slot)))).collect();
        all.entry(STANDARD.into()).or_insert_with(|| class(STANDARD, Slot(0)));
        Ok(all.into_values().collect())
    }

    /// Makes a storage class, or gives it another pool from now on. What is in it stays where it is. Errors:
    /// `InvalidStorageClass` for a name that none can have, `InvalidArgument` for a pool that is not there or that
    /// holds metadata.
    pub async fn storage_class_set(&self, class: &str, pool: &str) -> Result<(), S3Error> {
        check_class(class)?;
        let c = &self.inner.config;
        let wrong = |message: String| S3Error::invalid_argument(message, "pool", pool);
        if pool == c.meta_pool || pool == c.index_pool {
            return Err(wrong(format!("The pool {pool} holds metadata; give the class a pool for data.")));
        }
        match self.inner.rados.list(pool, None, 1).await {
            Ok(_) => {}
            Err(e) if e.code == Errno::ENOENT && e.step.is_none() => {
                return Err(wrong(format!("There is no pool {pool}; make it first.")));
            }
            Err(e) => return Err(e.into()),
        }
        let full = || wrong("Storage classes have used 255 pools, the most there can be.".to_string());
        self.change_placement(|table| table.set(class, pool, &c.data_pool).ok_or_else(full)).await
    }

    /// Takes a storage class away: nothing new comes into it. `InvalidStorageClass` if there is none. (STANDARD
    /// goes back to its first pool.)
    pub async fn storage_class_rm(&self, class: &str) -> Result<(), S3Error> {
        self.change_placement(|table| table.slots.remove(class).map(drop).ok_or_else(|| no_class(class)))
            .await
    }

    /// Refuses a class that does not exist; an empty one is STANDARD. `InvalidStorageClass`.
    pub async fn check_storage_class(&self, class: &str) -> Result<(), S3Error> {
        if class.is_empty() { Ok(()) } else { self.slot_of_class(class).await.map(drop) }
    }

    /// Where the data of a class goes. `InvalidStorageClass`.
    pub(crate) async fn slot_of_class(&self, class: &str) -> Result<Slot, S3Error> {
        if let Some(slot) = self.placement().await?.slot(class) {
            return Ok(slot);
        }
        // It may be newer than what is remembered.
        let (table, _) = self.read_placement().await?;
        table.slot(class).ok_or_else(|| no_class(class))
    }

    /// The pool that a run lies in. `EIO` for a slot that was never given.
    pub(crate) async fn pool_of(&self, tag: Tag) -> Result<Arc<str>, OpError> {
        self.pool_of_slot(Slot::of(tag)).await
    }

    pub(crate) async fn pool_of_slot(&self, slot: Slot) -> Result<Arc<str>, OpError> {
        if slot == Slot(0) {
            return Ok(self.inner.data_pool.clone());
        }
        // Slots never change: what is remembered is good for ever, if it has the slot.
        let known = lock(&self.inner.placement.0).as_ref().map(|(_, table)| table.clone());
        if let Some(pool) = known.as_ref().and_then(|table| table.pool(slot)) {
            return Ok(pool.into());
        }
        let (table, _) = self.read_placement().await?;
        table.pool(slot).map(Arc::from).ok_or_else(|| {
            OpError::new(Errno::EIO).with_context(format!("no pool was ever given the slot {}", slot.0))
        })
    }

    /// All slots that runs may be in.
    pub(crate) async fn slots(&self) -> Result<Vec<Slot>, OpError> {
        let (table, _) = self.read_placement().await?;
        Ok((0..=table.pools.len()).filter_map(|n| u8::try_from(n).ok()).map(Slot).collect())
    }

    /// The table, from memory for a few seconds.
    async fn placement(&self) -> Result<Arc<Table>, OpError> {
        let remembered = lock(&self.inner.placement.0).clone();
        match remembered {
            Some((at, table)) if at.elapsed() < self.inner.config.cache_ttl => Ok(table),
            _ => self.read_placement().await.map(|(table, _)| table),
        }
    }

    /// The table as it is, and its version; none: it was never written.
    async fn read_placement(&self) -> Result<(Arc<Table>, Option<u64>), OpError> {
        let pool = &self.inner.config.meta_pool;
        let ops = vec![Op::Read { offset: 0, len: 0 }];
        let (table, version) = match self.inner.rados.operate(pool, placement_object(), ops).await {
            Ok(reply) => {
                let version = reply.version.seq;
                let damaged = |e| OpError::new(Errno::EIO).with_context(format!("storage classes: {e}"));
                (from_bytes(reply.data(0)?).map_err(damaged)?, Some(version))
            }
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => (Table::default(), None),
            Err(e) => return Err(e),
        };
        let table = Arc::new(table);
        *lock(&self.inner.placement.0) = Some((Instant::now(), table.clone()));
        Ok((table, version))
    }

    async fn change_placement(
        &self,
        change: impl Fn(&mut Table) -> Result<(), S3Error>,
    ) -> Result<(), S3Error> {
        for _ in 0..CHANGES_MAX {
            let (table, version) = self.read_placement().await?;
            let mut table = (*table).clone();
            change(&mut table)?;
            let guard = match version {
                Some(seq) => Op::AssertVersion { seq },
                None => Op::Create { exclusive: true },
            };
            let data: Bytes = to_bytes(&table);
            let ops = vec![guard, Op::WriteFull { data }];
            match self.inner.rados.operate(&self.inner.config.meta_pool, placement_object(), ops).await {
                Ok(_) => {
                    *lock(&self.inner.placement.0) = None;
                    return Ok(());
                }
                Err(e)
                    if matches!(e.code, Errno::ERANGE | Errno::EEXIST | Errno::ENOENT)
                        && e.step.is_some() => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(S3Error::new(Code::OperationAborted))
    }
}

fn placement_object() -> ObjectName {
    ObjectName::new(names::PLACEMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_name_says_its_slot_and_its_number() {
        for (slot, number) in [(0, 1), (1, 1), (255, (1 << 56) - 1)] {
            let tag = Slot(slot).tag(7, number);
            assert_eq!((Slot::of(tag), number_of(tag), tag.instance), (Slot(slot), number, 7));
        }
        assert_eq!(Slot(0).tag(7, 9), Tag { instance: 7, seq: 9 }, "as it always was");
    }

    #[test]
    fn pools_keep_their_slots_whatever_becomes_of_classes() {
        let mut table = Table::default();
        assert_eq!((table.slot(""), table.slot("COLD")), (Some(Slot(0)), None));
        table.set("COLD", "ec", "data").unwrap();
        table.set("FAST", "flash", "data").unwrap();
        table.set("ALSO", "ec", "data").unwrap();
        table.set("COLD", "flash", "data").unwrap();
        assert_eq!((table.slot("COLD"), table.slot("ALSO")), (Some(Slot(2)), Some(Slot(1))));
        assert_eq!((table.pool(Slot(1)), table.pool(Slot(2))), (Some("ec"), Some("flash")));
        assert_eq!((table.pool(Slot(0)), table.pool(Slot(3))), (None, None));
        table.set(STANDARD, "ec", "data").unwrap();
        assert_eq!(table.slot(""), Some(Slot(1)));
        table.set(STANDARD, "data", "data").unwrap();
        assert_eq!(table.slot(STANDARD), Some(Slot(0)));
        for n in 0..253 {
            table.set("X", &format!("pool{n}"), "data").unwrap();
        }
        assert_eq!(table.set("X", "one more", "data"), None);
    }

    #[test]
    fn names_of_classes() {
        for good in ["STANDARD_IA", "ONEZONE", "A", "CAPACITY-2"] {
            assert!(check_class(good).is_ok(), "{good}");
        }
        for bad in ["", "glacier", "A B", "Ä", &"A".repeat(65)] {
            assert_eq!(check_class(bad).unwrap_err().code(), Code::InvalidStorageClass, "{bad}");
        }
    }
}
