//! Objects of which some members missed a write that the log names: written anew everywhere, as a write of the PG's own
//! whose effects are the whole object. So it is replicated, recovered and replayed as any other write, and nobody needs
//! to leave the in-sync set for it.
//!
//! It is made from the primary's copy. Where that is the one that missed the write, or the object has more data or rows
//! than one transaction takes, it stays reported.

use crate::effect::{Effect, Ticket};
use crate::machine::{Pg, ReadFor};
use crate::scrub::compare;
use bytes::Bytes;
use osd_object::{Mutation, ObjectId, ObjectMeta, ObjectRead, OmapRange, Transaction, Version};
use stdx::Errno;

/// Data of an object that is written anew in one piece, bytes; S3's and images' data objects have 4 MiB.
const DATA_BYTES_MAX: u64 = 8 << 20;

/// An object that is being read.
#[derive(Debug)]
pub(crate) struct Whole {
    object: ObjectId,
    version: Version,
}

impl Pg {
    /// Whether what the log proves of an object can be brought about from here.
    pub(crate) fn can_make_whole(
        &self,
        object: &ObjectId,
        whole: &compare::Whole,
        view: &dyn ObjectRead,
    ) -> bool {
        self.shape.is_none()
            && self.writable()
            && whole.right.contains(&self.me)
            && match whole.version {
                None => true,
                Some(version) => self.portable(object, version, view).is_some(),
            }
    }

    /// The object as it is here, if it is of this version and may travel in one piece.
    fn portable(&self, object: &ObjectId, version: Version, view: &dyn ObjectRead) -> Option<Portable> {
        let meta = view.meta(object).ok().flatten()?;
        if meta.version != version || meta.size > DATA_BYTES_MAX {
            return None;
        }
        // Rows travel through the stores' logs: as many as recovery puts into one transaction, no more. A store that
        // refuses a transaction stops its OSD, and this one goes to all members.
        let all = OmapRange { rows_max: u32::MAX, bytes_max: self.config.push_bytes_max, ..OmapRange::all() };
        let rows = view.omap_range(object, &all).ok().filter(|page| !page.more)?.rows;
        let attributes = view.xattrs(object).ok()?.into_iter().collect();
        Some(Portable { meta, attributes, rows })
    }

    /// Makes an object what the log says it is: of this version, or not there. If it is in use now, nothing happens, and
    /// whoever compares it again finds that.
    pub(crate) fn make_whole(&mut self, object: ObjectId, version: Option<Version>, view: &dyn ObjectRead) {
        if !self.serving()
            || !self.writable()
            || self.ops.must_wait(&object, true)
            || self.written_now.contains(&object)
        {
            return;
        }
        let Some(version) = version else {
            if let Ok(None) = view.meta(&object) {
                let removed = Transaction { mutations: vec![Mutation::Remove { object: object.clone() }] };
                let version = self.next_version();
                self.own_write(object, version, true, Vec::new(), removed);
            }
            return;
        };
        let Some(portable) = self.portable(&object, version, view) else { return };
        let len = portable.meta.size;
        if len == 0 {
            return self.write_anew(object, portable, Bytes::new());
        }
        // Nobody changes it until it is read; and nobody reads it when it is replaced.
        self.ops.lock_exclusive(&object);
        let ticket = self.durability.ticket();
        self.reads.insert(ticket, ReadFor::Whole);
        self.effect(Effect::Read { ticket, object: object.clone(), offset: 0, len });
        self.wholes.insert(ticket, Whole { object, version });
    }

    /// Our own copy was read, or cannot be.
    pub(crate) fn whole_read(&mut self, ticket: Ticket, result: Result<Bytes, Errno>, view: &dyn ObjectRead) {
        // A tenure ended meanwhile, and its locks with it.
        let Some(Whole { object, version }) = self.wholes.remove(&ticket) else { return };
        match (result, self.portable(&object, version, view)) {
            (Ok(data), Some(portable)) if self.serving() && self.writable() => {
                self.write_anew(object.clone(), portable, data);
            }
            (Err(_), _) => self.note_damage(&object, self.me),
            _ => {}
        }
        self.ops.unlock_exclusive(&object);
    }

    fn write_anew(&mut self, object: ObjectId, portable: Portable, data: Bytes) {
        let Portable { meta, attributes, rows } = portable;
        let version = self.next_version();
        let mut t = Transaction::new();
        t.push(Mutation::Remove { object: object.clone() });
        t.push(Mutation::Touch { object: object.clone() });
        for (name, value) in attributes {
            t.push(Mutation::SetXattr { object: object.clone(), name, value });
        }
        if !data.is_empty() {
            t.push(Mutation::Write { object: object.clone(), offset: 0, data });
        }
        if !rows.is_empty() {
            t.push(Mutation::OmapSet { object: object.clone(), rows });
        }
        // What the object is did not change, and its time neither; the version tells this write from the one it repeats.
        t.push(Mutation::Stamp { object: object.clone(), version, mtime: meta.mtime });
        self.own_write(object, version, true, Vec::new(), t);
    }
}

/// What of an object can be told at once.
#[derive(Debug)]
struct Portable {
    meta: ObjectMeta,
    attributes: Vec<(String, Bytes)>,
    rows: Vec<(Bytes, Bytes)>,
}
