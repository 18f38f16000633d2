//! Holding a store against the model, and against what its own log says.

use super::super::{Completion, Store};
use super::machine::LOG_BYTES;
use crate::device::faulty::FaultyDisk;
use crate::layout::{UNIT, UNIT_BYTES, WAL_OFFSET};
use crate::wal::batch::BatchHeader;
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{ObjectId, ObjectRead, OmapRange};
use placement_map::PoolId;
use stdx::Errno;

/// Reads and waits for the answer; other completions stay in order.
pub(in crate::store) fn read_now(
    store: &mut Store,
    object: &ObjectId,
    offset: u64,
    len: u64,
) -> Result<Bytes, Errno> {
    const TICKET: u64 = u64::MAX;
    store.read(TICKET, object, offset, len);
    loop {
        let mut others = Vec::new();
        while let Some(c) = store.next_completion() {
            match c {
                Completion::Read { ticket: TICKET, result } => {
                    // Acknowledgements keep their order.
                    others.into_iter().rev().for_each(|c| store.completions.push_front(c));
                    return result;
                }
                other => others.push(other),
            }
        }
        store.completions.extend(others);
        store.wait().expect("the device works while it is read");
    }
}

/// Everything the store says must be what the model says; with `damage`, data may also be EIO. Returns whether any was.
pub(in crate::store) fn compare(store: &mut Store, model: &Model, damage: bool) -> Result<bool, String> {
    let unreadable = |what: &str, e: Errno| format!("{what} cannot be read: {e:?}");
    let listed = store.list(PoolId(1), None, usize::MAX).map_err(|e| unreadable("the list", e))?;
    let wanted: Vec<ObjectId> = model.objects.keys().cloned().collect();
    if listed != wanted {
        let names = |ids: &[ObjectId]| ids.iter().map(ObjectId::to_string).collect::<Vec<_>>().join(" ");
        return Err(format!("objects {}, where {} should be", names(&listed), names(&wanted)));
    }
    let mut errors = false;
    for (id, o) in &model.objects {
        let meta = store.meta(id).map_err(|e| unreadable("a meta", e))?;
        if meta != Some(o.meta) {
            return Err(format!("{id}: {meta:?}, where {:?} should be", o.meta));
        }
        if store.xattrs(id).map_err(|e| unreadable("attributes", e))? != o.xattrs {
            return Err(format!("{id}: its attributes differ"));
        }
        let all = OmapRange { rows_max: u32::MAX, bytes_max: u32::MAX, ..OmapRange::all() };
        let rows = store.omap_range(id, &all).map_err(|e| unreadable("an omap", e))?.rows;
        if !rows.iter().map(|(k, v)| (k, v)).eq(&o.omap) {
            return Err(format!("{id}: its omap differs"));
        }
        match read_now(store, id, 0, 0) {
            Ok(got) if got == o.data => {}
            Ok(got) => {
                let at =
                    got.iter().zip(&o.data).position(|(a, b)| a != b).unwrap_or(got.len().min(o.data.len()));
                let (len, want) = (got.len(), o.data.len());
                return Err(format!("{id}: wrong bytes from {at} on ({len} read, {want} wanted)"));
            }
            Err(Errno::EIO) if damage => errors = true,
            Err(e) => return Err(format!("{id}: {e:?}, though nothing was damaged")),
        }
    }
    Ok(errors)
}

/// What is in the log and contradicts that it ended at `recovered`: a whole batch of this life or a later one, which
/// says that more than that was durable. Found by looking at every unit of the ring, without a chain.
pub(super) fn contradiction(
    disk: &FaultyDisk,
    uuid: &[u8; 16],
    incarnation: u64,
    recovered: u64,
) -> Option<String> {
    let mut ring = vec![0; 2 * LOG_BYTES as usize];
    disk.peek(WAL_OFFSET, &mut ring[..LOG_BYTES as usize]);
    // A batch may wrap around.
    ring.copy_within(..LOG_BYTES as usize, LOG_BYTES as usize);
    (0..LOG_BYTES / UNIT).find_map(|unit| {
        let at = unit as usize * UNIT_BYTES;
        let header = BatchHeader::read(uuid, &ring[at..at + UNIT_BYTES])?;
        let says_more = header.incarnation >= incarnation && header.durable_upto > recovered;
        (says_more && u64::from(header.len) <= LOG_BYTES && header.matches(&ring[at..])).then(|| {
            format!(
                "the log was cut at LSN {recovered}, but batch {} in unit {unit} of it says that {} was durable",
                header.sequence, header.durable_upto
            )
        })
    })
}
