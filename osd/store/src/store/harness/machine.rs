//! A machine with a disk and an index that forget, and a store on them.

use super::super::open::Opening;
use super::super::{Completion, Limits, Store};
use crate::compress::{Algorithm, Compression, PackWhich};
use crate::config::{DiscardMode, Identity};
use crate::device::faulty::{CrashMode, FaultyDevice, FaultyDisk};
use crate::error::StoreError;
use crate::index::Index;
use crate::index::map::{MapDisk, MapIndex};
use crate::layout::Geometry;
use osd_object::{ObjectId, ObjectName, SnapId};
use placement_map::PoolId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

pub(in crate::store) const IDENTITY: Identity = Identity { uuid: [1; 16], fsid: [2; 16], osd_id: 3 };

/// Log of the small stores, bytes: a few batches, so that it wraps around.
pub(super) const LOG_BYTES: u64 = 256 << 10;

pub(in crate::store) fn small_limits() -> Limits {
    Limits {
        memory_target_bytes: 1 << 20,
        index_dirty_bytes_max: 64 << 10,
        overlay_bytes_max: 256 << 10,
        ..Limits::new(1 << 20, true)
    }
}

pub(in crate::store) fn open_map(disk: &MapDisk) -> Result<Box<dyn Index>, StoreError> {
    Ok(Box::new(MapIndex::open(disk)))
}

/// The objects of the tests, by number: heads, and each third one a clone.
pub(in crate::store) fn object(n: u64) -> ObjectId {
    let snap = if n.is_multiple_of(3) { SnapId(n) } else { SnapId::HEAD };
    ObjectId {
        pool: PoolId(1),
        hash: (n as u32).wrapping_mul(0x9e37_79b9),
        name: ObjectName::new(format!("o{n}")),
        snap,
    }
}

/// The machine.
pub(in crate::store) struct Machine {
    pub(in crate::store) disk: FaultyDisk,
    pub(in crate::store) index: MapDisk,
    pub(in crate::store) limits: Limits,
    /// How large writes are packed.
    pub(in crate::store) packing: Option<Algorithm>,
    /// The last acknowledged ticket; tickets are LSNs.
    pub(in crate::store) acknowledged: u64,
}

impl Machine {
    /// A store of 16 MiB as mkfs lays it out, roomy limits, nothing in it.
    pub(in crate::store) fn roomy(seed: u64) -> Machine {
        let disk = FaultyDisk::new(16 << 20, seed);
        let index = MapDisk::new();
        let mut device = FaultyDevice::new(&disk);
        Store::mkfs_on(&mut device, || open_map(&index), IDENTITY, Path::new("faulty")).expect("it is blank");
        Machine { disk, index, limits: Limits::new(256 << 20, true), packing: None, acknowledged: 0 }
    }

    /// A store with a small log and so many data units. Copied from one that was made before, as a case takes less time
    /// than mkfs.
    pub(super) fn small(data_units: u64, seed: u64) -> Machine {
        thread_local! {
            static MADE: RefCell<BTreeMap<u64, (FaultyDisk, MapDisk)>> = const { RefCell::new(BTreeMap::new()) };
        }
        let (disk, index) = MADE.with_borrow_mut(|made| {
            let (disk, index) = made.entry(data_units).or_insert_with(|| make(data_units));
            (disk.copy(seed), index.copy())
        });
        Machine { disk, index, limits: small_limits(), packing: None, acknowledged: 0 }
    }

    pub(in crate::store) fn open(&self) -> Result<Store, StoreError> {
        let device = Box::new(FaultyDevice::new(&self.disk));
        let mut store = Store::open_on(device, || open_map(&self.index), self.limits, Path::new("faulty"))?;
        store.set_discard(DiscardMode::Auto);
        self.pack(&mut store)?;
        Ok(store)
    }

    /// Opens also what lost acknowledged writes.
    pub(super) fn salvage(&self) -> Result<Store, StoreError> {
        let device = Box::new(FaultyDevice::new(&self.disk));
        let mut open_index = || open_map(&self.index);
        let mut store =
            Store::open_as(Opening::Salvage, device, &mut open_index, self.limits, Path::new("faulty"))?;
        self.pack(&mut store)?;
        Ok(store)
    }

    fn pack(&self, store: &mut Store) -> Result<(), StoreError> {
        let packing =
            |algorithm| Compression { which: PackWhich::All, algorithm, required_ratio_permille: 875 };
        store.set_compressions(&self.packing.map(packing).map(|c| (PoolId(1), c)).into_iter().collect())
    }

    /// Takes what the store finished; the completions that are no acknowledgements.
    pub(in crate::store) fn note(&mut self, store: &mut Store) -> Result<Vec<Completion>, String> {
        let mut others = Vec::new();
        while let Some(c) = store.next_completion() {
            match c {
                Completion::Durable { ticket } if ticket == self.acknowledged + 1 => {
                    self.acknowledged = ticket;
                    self.disk.acknowledged(ticket);
                }
                Completion::Durable { ticket } => {
                    return Err(format!("{ticket} was acknowledged after {}", self.acknowledged));
                }
                other => others.push(other),
            }
        }
        Ok(others)
    }
}

fn make(data_units: u64) -> (FaultyDisk, MapDisk) {
    let geometry = Geometry { wal_bytes: LOG_BYTES, data_units };
    let disk = FaultyDisk::new(geometry.total_bytes(), 0);
    let index = MapDisk::new();
    let mut device = FaultyDevice::new(&disk);
    Store::mkfs_with(&mut device, || open_map(&index), IDENTITY, Path::new("faulty"), Ok(geometry))
        .expect("it is blank");
    disk.crash(CrashMode::LoseAll);
    (disk, index)
}
