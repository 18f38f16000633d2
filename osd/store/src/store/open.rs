//! Opening a store: superblock, index, replay, free space, and a checkpoint that begins a new life.

use super::mkfs::{complete_superblock, read_superblock};
use super::{Limits, Store};
use crate::chunk::Chunk;
use crate::config::uuid_text;
use crate::device::Device;
use crate::error::StoreError;
use crate::index::behind::BehindIndex;
use crate::index::cached::CachedIndex;
use crate::index::{Family, Index, UUID_KEY};
use crate::overlay::Overlay;
use crate::sabotage::{self, Sabotage};
use crate::slab::Slab;
use crate::space::{Run, Space};
use crate::superblock::{Found, Superblock};
use crate::wal::ring::Ring;
use std::collections::VecDeque;
use std::path::Path;

/// What an open may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Go on with a whole log only.
    Strict,
    /// Go on with what is left of a damaged log, and say so (`Store::is_damaged`).
    Salvage,
    /// The same, and also with rows of the index that cannot be read.
    Repair,
    /// As `Repair`, but nothing is written: what the log holds stays in memory.
    Frozen,
}

impl Store {
    /// Opens a store on a device; `open_index` opens its index once the superblock is known to be good.
    /// Redoes what the log holds beyond the last checkpoint, and refuses a damaged log.
    pub fn open_on(
        device: Box<dyn Device>,
        open_index: impl FnOnce() -> Result<Box<dyn Index>, StoreError>,
        limits: Limits,
        path: &Path,
    ) -> Result<Store, StoreError> {
        let mut open_index = Some(open_index);
        let mut once = || open_index.take().expect("a strict open opens the index once")();
        Store::open_as(Opening::Strict, device, &mut once, limits, path)
    }

    pub(super) fn open_as(
        opening: Opening,
        mut device: Box<dyn Device>,
        open_index: &mut dyn FnMut() -> Result<Box<dyn Index>, StoreError>,
        limits: Limits,
        path: &Path,
    ) -> Result<Store, StoreError> {
        let path_buf = || path.to_path_buf();
        let superblock = match read_superblock(&mut *device)? {
            Found::Valid(s) => *s,
            Found::Blank => return Err(StoreError::Blank { path: path_buf() }),
            Found::Damaged(detail) => return Err(StoreError::DamagedSuperblock { path: path_buf(), detail }),
            Found::TooNew(detail) => return Err(StoreError::TooNew { path: path_buf(), detail }),
        };
        let spans = superblock.geometry.total_bytes();
        if device.size_bytes() < spans {
            let detail = format!("it spans {spans} bytes, the device has {}", device.size_bytes());
            return Err(StoreError::DamagedSuperblock { path: path_buf(), detail });
        }
        let index = with_hot_rows(open_index()?, &limits);
        check_index(&*index, &superblock)?;
        if opening != Opening::Frozen {
            complete_superblock(&mut *device, &superblock)?;
        }
        let trim = superblock.trim;
        let mut store = Store {
            device,
            index,
            limits,
            space: Space::default(),
            compressions: Default::default(),
            packing: Default::default(),
            overlay: Overlay::default(),
            ring: Ring { bytes: superblock.geometry.wal_bytes, head: trim, tail: trim },
            next_lsn: superblock.trim_lsn + 1,
            durable_lsn: superblock.trim_lsn,
            incarnation_seen: superblock.incarnation,
            superblock,
            commit: super::commit::Commit::default(),
            checkpoint: super::checkpoint::Checkpoint::default(),
            index_dirty_bytes: 0,
            index_disk_bytes: 0,
            operations: Slab::default(),
            reads: Slab::default(),
            reads_waiting: 0,
            completions: VecDeque::new(),
            more: false,
            log_damage: None,
            stopped: false,
        };
        match store.replay() {
            Err(StoreError::DamagedLog { detail }) if opening != Opening::Strict => {
                store.salvage(detail, open_index)?
            }
            replayed => replayed?,
        }
        if opening == Opening::Frozen {
            store.rebuild_space(true)?;
            store.index_disk_bytes = store.index.disk_bytes();
            return Ok(store);
        }
        store.apply_all()?;
        store.rebuild_space(opening == Opening::Repair)?;
        store.checkpoint_now()?;
        // A new life: whatever of the log was not accepted can never be taken for a part of it.
        let next = u64::from(!sabotage::is(Sabotage::KeepIncarnation));
        store.superblock.incarnation = store.incarnation_seen + next;
        store.write_superblock_now(false)?;
        store.index_disk_bytes = store.index.disk_bytes();
        Ok(store)
    }

    /// Finds out what is free from what the extent maps refer to. With `lenient`, units of rows that cannot be read
    /// count as free: only for a store that takes no new data.
    pub(super) fn rebuild_space(&mut self, lenient: bool) -> Result<(), StoreError> {
        let units = self.geometry().data_units;
        let mut used = vec![0u64; units.div_ceil(64) as usize];
        let mut damaged = false;
        let (space, packing) = (&mut self.space, &mut self.packing);
        self.index.scan(Family::Extents, &[], None, false, &mut |_, value| {
            let Some(chunk) = Chunk::decode(value, units) else {
                damaged = true;
                return lenient;
            };
            packing.add(chunk.packing());
            for unit in chunk.runs().flat_map(|run| run.start..run.end()) {
                let (word, bit) = (&mut used[unit as usize / 64], 1 << (unit % 64));
                if *word & bit != 0 {
                    space.shared.add(Run { start: unit, len: 1 });
                }
                *word |= bit;
            }
            true
        })?;
        if damaged && !lenient {
            return Err(StoreError::DamagedIndex { detail: "an extent row cannot be read".to_string() });
        }
        let mut unit = 1;
        while unit < units {
            let start = unit;
            while unit < units && used[unit as usize / 64] >> (unit % 64) & 1 == 0 {
                unit += 1;
            }
            if unit > start {
                self.space.free.release(Run { start, len: unit - start });
            }
            unit += 1;
        }
        Ok(())
    }
}

/// An index with its newest changes and its hot rows in front of it.
pub(super) fn with_hot_rows(index: Box<dyn Index>, limits: &Limits) -> Box<dyn Index> {
    let index = Box::new(BehindIndex::new(index));
    Box::new(CachedIndex::new(index, limits.memory_target_bytes))
}

fn check_index(index: &dyn Index, superblock: &Superblock) -> Result<(), StoreError> {
    let uuid = superblock.identity.uuid;
    match index.get(Family::Misc, UUID_KEY)? {
        Some(found) if found[..] == uuid => {}
        found => {
            let found =
                found.and_then(|f| f[..].try_into().ok()).map_or("none".to_string(), |u| uuid_text(&u));
            let detail = format!("it belongs to store {found}, not to {}", uuid_text(&uuid));
            return Err(StoreError::DamagedIndex { detail });
        }
    }
    let (index_lsn, trim_lsn) = (index.persisted_lsn()?, superblock.trim_lsn);
    if index_lsn < trim_lsn {
        let detail = format!("it is as of LSN {index_lsn}, but the log begins after {trim_lsn}");
        return Err(StoreError::DamagedIndex { detail });
    }
    Ok(())
}
