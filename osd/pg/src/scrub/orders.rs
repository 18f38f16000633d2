//! When a scrub begins and ends, and what is kept of it.

use super::{Scrub, ScrubOrder};
use crate::effect::Effect;
use crate::machine::Pg;
use crate::ops::Queued;
use crate::ops::replies::Pending;
use osd_object::{OpResult, Transaction, Version};
use placement_map::OsdId;
use stdx::codec::to_bytes;
use wire_codec::pg::{InconsistentList, ScrubStamps};
use wire_codec::{OsdOutcome, PgMessage, PgOp};

/// Inconsistent objects in one answer.
const LISTED_MAX: usize = 200;

impl Pg {
    /// Somebody wants the PG compared. A deep order takes the place of a shallow one that is under way.
    pub(crate) fn order_scrub(&mut self, order: ScrubOrder) {
        let deeper = self.scrub.as_ref().is_none_or(|s| order.deep && !s.order.deep);
        if self.primary.is_some() && deeper {
            self.stop_scrub();
            self.scrub = Some(Scrub::new(order));
        }
    }

    /// Forgets a scrub that is under way.
    pub(crate) fn stop_scrub(&mut self) {
        if self.scrub.is_some() {
            self.interrupt_scrub();
            self.scrub = None;
            self.tell_scrub_ended(None);
        }
    }

    /// From now on the PG counts as compared, if nobody knows of an earlier time: it is new.
    pub(crate) fn scrub_baseline(&mut self, at: stdx::time::WallTime) {
        if self.serving() && self.stamps == ScrubStamps::default() {
            let stamps = ScrubStamps { shallow: at, deep: at, errors: 0 };
            self.note_stamps(stamps);
            self.tell_scrub_ended(Some(stamps));
        }
    }

    /// The whole PG was compared.
    pub(super) fn scrub_done(&mut self) {
        let Some(s) = self.scrub.take() else { return };
        let deep = if s.order.deep { s.order.at } else { self.stamps.deep };
        // What a deep one left, a shallow one does not see to be gone.
        let errors = if s.order.deep { s.errors } else { s.errors.max(self.inconsistent.len() as u64) };
        let stamps = ScrubStamps { shallow: s.order.at, deep, errors };
        self.note_stamps(stamps);
        self.tell_scrub_ended(Some(stamps));
    }

    pub(super) fn tell_scrub_ended(&mut self, stamps: Option<ScrubStamps>) {
        let interval = self.interval;
        let members: Vec<OsdId> = self.row.in_sync.iter().copied().filter(|osd| *osd != self.me).collect();
        for osd in members {
            self.send(osd, PgMessage::ScrubEnd { interval, stamps });
        }
        self.scanning = None;
        self.effect(Effect::ScrubEnded);
    }

    /// The primary ended a scrub, or gave it up (none).
    pub(crate) fn on_scrub_end(&mut self, stamps: Option<ScrubStamps>) {
        self.scanning = None;
        self.effect(Effect::ScrubEnded);
        if let Some(stamps) = stamps.filter(|_| self.may_apply() && self.follower.joining.is_none()) {
            self.note_stamps(stamps);
        }
    }

    fn note_stamps(&mut self, stamps: ScrubStamps) {
        self.stamps = stamps;
        let mut t = Transaction::new();
        self.meta.stamps(&mut t, &stamps);
        self.store(t);
    }

    /// An operator asks something of the PG.
    pub(crate) fn pg_op(&mut self, queued: Queued, op: PgOp) {
        let result = match op {
            PgOp::Scrub { deep } => {
                self.order_scrub(ScrubOrder { deep, at: queued.op.mtime });
                OpResult::Done
            }
            PgOp::ListInconsistent => {
                let objects = self.inconsistent.values().take(LISTED_MAX).cloned().collect();
                let list = InconsistentList { stamps: self.stamps, scrubbing: self.scrub.is_some(), objects };
                OpResult::Data(to_bytes(&list))
            }
        };
        self.ops.done(&queued);
        let outcome = OsdOutcome::Done { version: Version::ZERO, outcome: Ok(vec![result]) };
        let (session, request) = (queued.session, queued.op.request);
        self.answer_after(0, Pending { session, request, outcome, read_at: Some(self.now) });
    }
}
