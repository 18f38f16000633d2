//! Parity: whether the shards of an object belong together, though each matches its own checksums. Read after the
//! objects of a range were compared, piece by piece; the object's writes wait for one piece at a time.

use super::Step;
use crate::effect::Ticket;
use crate::erasure_coded::gather::{Gather, GatherFor};
use crate::machine::Pg;
use bytes::Bytes;
use erasure::ChunkSet;
use osd_object::{ObjectId, ObjectRead, Version};
use placement_map::OsdId;
use std::collections::{BTreeMap, VecDeque};
use wire_codec::pg::{Inconsistent, ScrubError};

/// Bytes of each shard read at once, about.
const PIECE_BYTES: u64 = 128 << 10;

/// Objects whose parity is still to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Parity {
    left: VecDeque<(ObjectId, Version, u64)>,
    /// How far the first of them was looked at.
    at: u64,
    /// This piece was repaired, and is looked at once more.
    repaired: bool,
}

impl Parity {
    /// An object with shards of this size is to be looked at.
    pub(super) fn add(&mut self, object: ObjectId, version: Version, shard_bytes: u64) {
        if shard_bytes > 0 {
            self.left.push_back((object, version, shard_bytes));
        }
    }
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
    pub(super) fn clear(&mut self) {
        *self = Parity::default();
    }
    fn next_object(&mut self) {
        self.left.pop_front();
        (self.at, self.repaired) = (0, false);
    }
}

impl Pg {
    /// Asks for the next piece of all shards.
    pub(super) fn next_parity(&mut self, view: &dyn ObjectRead) -> bool {
        let Some((unit, shards)) = self.shape.as_ref().map(|shape| (shape.unit(), shape.shards())) else {
            return self.end_round();
        };
        loop {
            let Some(s) = self.scrub.as_ref() else { return false };
            let Some((object, version, size)) = s.parity.left.front().cloned() else {
                return self.end_round();
            };
            let (low, piece) = (s.parity.at, (PIECE_BYTES / unit).max(1) * unit);
            let high = (low + piece).min(size);
            if low >= high {
                self.scrub.as_mut().expect("under way").parity.next_object();
                continue;
            }
            if self.written_now.contains(&object) {
                self.again = true;
                return false;
            }
            let unchanged = self.holds(&object, version, low, high - low, view);
            if !unchanged || !self.ops.lock_shared(&object) {
                // It was written since: its parity is as new.
                self.scrub.as_mut().expect("under way").parity.next_object();
                continue;
            }
            let ticket = self.durability.ticket();
            let s = self.scrub.as_mut().expect("under way");
            s.locked.insert(object.clone());
            s.step = Step::Parity { asked: Some(ticket) };
            let all: ChunkSet = (0..shards).collect();
            self.gather(ticket, Gather::new(object, version, (low, high), all, GatherFor::Parity), view);
            return false;
        }
    }

    /// All shards of a piece came, or some cannot be read: those are repaired as in any read.
    pub(crate) fn parity_came(
        &mut self,
        ticket: Ticket,
        (low, high): (u64, u64),
        got: &BTreeMap<usize, Bytes>,
        view: &dyn ObjectRead,
    ) {
        let Some(s) = self.scrub.as_mut() else { return };
        if !matches!(s.step, Step::Parity { asked: Some(asked) } if asked == ticket) {
            return;
        }
        s.step = Step::Parity { asked: None };
        self.unlock_scrubbed();
        let (Some(shape), Some(s)) = (self.shape.as_mut(), self.scrub.as_mut()) else { return };
        let Some((object, version, _)) = s.parity.left.front().cloned() else { return };
        let complete = got.len() == shape.shards();
        if !complete || shape.belong_together(got) {
            (s.parity.at, s.parity.repaired) = (high, false);
            return;
        }
        let odd = if s.parity.repaired { None } else { shape.odd_one_out(got) };
        match odd {
            Some((position, data)) => {
                s.parity.repaired = true;
                let holds = |(_, shard): &(&OsdId, &u8)| usize::from(**shard) == position;
                let holder = self.row.shards.iter().find(holds).map(|(osd, _)| *osd);
                if let Some(of) = holder {
                    self.repair_shard(of, object, version, (low, data), view);
                }
            }
            None => {
                s.range_errors += 1;
                s.parity.next_object();
                let errors = vec![ScrubError::ParityMismatch];
                self.name_inconsistent(Inconsistent { object, errors, copies: Vec::new() });
            }
        }
    }
}
