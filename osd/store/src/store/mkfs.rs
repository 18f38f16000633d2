//! Making a store.

use super::Store;
use crate::blocking;
use crate::buf::AlignedBuf;
use crate::config::{Identity, Uuid16, uuid_text};
use crate::device::Device;
use crate::error::StoreError;
use crate::index::{Family, Index, IndexBatch, UUID_KEY};
use crate::layout::{Geometry, SUPERBLOCK_COPIES, WAL_OFFSET};
use crate::sabotage::{self, Sabotage};
use crate::superblock::{Found, PACKED_EXTENTS, Superblock};
use crate::wal::Position;
use bytes::Bytes;
use std::path::Path;

/// Zeros are written to the log in pieces of this size.
const ZERO_BYTES: u64 = 4 << 20;

impl Store {
    /// Makes a store on a device and an empty index, which `make_index` opens once it is clear that nothing
    /// is there yet. A store of the same OSD of the same cluster is left as it is.
    /// The superblock is written last: a mkfs that was cut short leaves nothing that opens.
    pub fn mkfs_on(
        device: &mut dyn Device,
        make_index: impl FnOnce() -> Result<Box<dyn Index>, StoreError>,
        identity: Identity,
        path: &Path,
    ) -> Result<Uuid16, StoreError> {
        let geometry = Geometry::for_size(device.size_bytes());
        Store::mkfs_with(device, make_index, identity, path, geometry)
    }

    /// The same with a layout of the caller's: the harness makes stores smaller than is sensible.
    pub(super) fn mkfs_with(
        device: &mut dyn Device,
        make_index: impl FnOnce() -> Result<Box<dyn Index>, StoreError>,
        identity: Identity,
        path: &Path,
        geometry: Result<Geometry, StoreError>,
    ) -> Result<Uuid16, StoreError> {
        match read_superblock(device)? {
            Found::Valid(s) => {
                let (ours, theirs) = (identity, s.identity);
                if (ours.fsid, ours.osd_id) == (theirs.fsid, theirs.osd_id) {
                    return Ok(theirs.uuid);
                }
                let name = |i: &Identity| format!("osd.{} of cluster {}", i.osd_id, uuid_text(&i.fsid));
                return Err(StoreError::Foreign {
                    path: path.to_path_buf(),
                    found: name(&theirs),
                    wanted: name(&ours),
                });
            }
            Found::TooNew(detail) => return Err(StoreError::TooNew { path: path.to_path_buf(), detail }),
            Found::Damaged(_) => return Err(StoreError::NotEmpty { path: path.to_path_buf() }),
            Found::Blank => {}
        }
        let geometry = geometry?;
        zero_log(device, geometry.wal_bytes)?;
        let mut index = make_index()?;
        let mut batch = IndexBatch::new();
        batch.put(Family::Misc, UUID_KEY, &identity.uuid);
        index.write(batch.as_bytes())?;
        index.flush_wait(0)?;
        let superblock = Superblock {
            sequence: 0,
            identity,
            geometry,
            features: PACKED_EXTENTS,
            incarnation: 0,
            trim: Position { at: 0, sequence: 1, previous_crc: 0 },
            trim_lsn: 0,
            clean: true,
        };
        let mut buf = AlignedBuf::with_capacity(1);
        buf.extend_from_slice(&superblock.encode());
        let data = Bytes::from_owner(buf);
        blocking::flush(device)?;
        for copy in 0..SUPERBLOCK_COPIES {
            blocking::write(device, Superblock::offset(copy), data.clone())?;
        }
        blocking::flush(device)?;
        Ok(identity.uuid)
    }
}

/// Reads all copies and chooses.
pub(super) fn read_superblock(device: &mut dyn Device) -> Result<Found, StoreError> {
    if device.size_bytes() < WAL_OFFSET {
        return Ok(Found::Blank);
    }
    Ok(Superblock::choose(read_copies(device)?.iter().map(|c| &c[..])))
}

/// Reads all copies.
pub(super) fn read_copies(device: &mut dyn Device) -> Result<Vec<AlignedBuf>, StoreError> {
    let mut copies = Vec::new();
    for copy in 0..SUPERBLOCK_COPIES {
        let mut buf = AlignedBuf::zeroed(crate::layout::UNIT_BYTES);
        device.read_now(Superblock::offset(copy), &mut buf)?;
        copies.push(buf);
    }
    Ok(copies)
}

/// Writes the copies of a state again that a torn or lost update left behind, so that two hold it before the other pair
/// is rewritten. A copy that is torn by this was of no use before either.
pub(super) fn complete_superblock(device: &mut dyn Device, state: &Superblock) -> Result<(), StoreError> {
    let wanted = state.encode();
    for offset in Superblock::pair_offsets(state.sequence) {
        let mut buf = AlignedBuf::zeroed(crate::layout::UNIT_BYTES);
        device.read_now(offset, &mut buf)?;
        if buf[..] != wanted && !sabotage::is(Sabotage::LeaveSuperblockTorn) {
            buf.copy_from_slice(&wanted);
            tracing::warn!(offset, "a superblock copy is not the one that was written there: written again");
            blocking::write(device, offset, Bytes::from_owner(buf))?;
            blocking::flush(device)?;
        }
    }
    Ok(())
}

/// Really writes the log area, so that later flushes change no file-system metadata, and so that nothing
/// that lay there before can look like a batch.
fn zero_log(device: &mut dyn Device, bytes: u64) -> Result<(), StoreError> {
    let zeros = Bytes::from_owner(AlignedBuf::zeroed(ZERO_BYTES as usize));
    let mut at = 0;
    while at < bytes {
        let len = ZERO_BYTES.min(bytes - at);
        blocking::write(device, WAL_OFFSET + at, zeros.slice(..len as usize))?;
        at += len;
    }
    Ok(())
}
