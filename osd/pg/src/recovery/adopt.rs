//! The end of bringing a member level: the primary's log becomes the member's, and with it, in one
//! transaction, everything that was kept aside.

use crate::durability::Then;
use crate::log::Log;
use crate::machine::Pg;
use crate::peering::peer::Stage;
use crate::sabotage::Bug;
use osd_object::{Mutation, Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;
use wire_codec::pg::{Condition, LogEntry};

/// Entries in one message, at most.
const PAGE_ENTRIES: usize = 256;
/// Bytes of entries in one message, about.
const PAGE_BYTES: usize = 512 << 10;

/// One page of a log to adopt.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) after: Version,
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) first: bool,
    pub(crate) last: bool,
    pub(crate) staged: Option<u32>,
}

impl Pg {
    /// The member's objects are level: it gets the log.
    pub(crate) fn adopt(&mut self, osd: OsdId) {
        let head = self.log.head().seq;
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        match std::mem::replace(&mut peer.stage, Stage::Asked) {
            Stage::Syncing(recovery) | Stage::Adopting { recovery, .. } => {
                peer.stage = Stage::Adopting { recovery, head };
            }
            other => {
                peer.stage = other;
                return;
            }
        }
        self.send_log(osd);
    }

    /// The member did not say that it adopted: what was lost, or came while it missed a write, is sent again.
    pub(crate) fn adopt_again(&mut self, osd: OsdId) {
        self.adopt(osd);
    }

    fn send_log(&mut self, osd: OsdId) {
        let (interval, again_at) = (self.interval, self.now + self.config.resend);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        peer.again_at = again_at;
        let attempt = peer.attempt;
        let Some(recovery) = peer.recovery() else { return };
        let staged = recovery.staged.then_some(recovery.staged_count);
        // If it was trimmed past where the logs part, the member's log goes altogether.
        let tail = self.log.tail();
        let after = if recovery.after.seq >= tail.seq { recovery.after } else { tail };
        let mut pages: Vec<Vec<LogEntry>> = vec![Vec::new()];
        let mut bytes = 0;
        for entry in self.log.after(after.seq) {
            let page = pages.last_mut().expect("never empty");
            if page.len() >= PAGE_ENTRIES || bytes >= PAGE_BYTES {
                bytes = 0;
                pages.push(Vec::new());
            }
            bytes += crate::log::rows::bytes_of(entry);
            pages.last_mut().expect("never empty").push(entry.clone());
        }
        let count = pages.len();
        for (index, entries) in pages.into_iter().enumerate() {
            let (first, last) = (index == 0, index + 1 == count);
            self.send(osd, PgMessage::Adopt { interval, attempt, after, entries, first, last, staged });
        }
    }

    /// The member's log is ours through `head`.
    pub(crate) fn on_adopted(&mut self, from: OsdId, attempt: u64, head: u64) {
        let Some(peer) = self.primary.as_ref().and_then(|p| p.peers.get(&from)) else { return };
        if peer.attempt == attempt
            && matches!(&peer.stage, Stage::Adopting { head: sent, .. } if head <= *sent)
        {
            self.became_level(from, head);
        } else if peer.attempt == attempt && matches!(peer.stage, Stage::Cutting { .. }) {
            self.log_ended(from, head);
        }
    }

    /// A member restarted, or lost its place, in the middle of this attempt.
    pub(crate) fn on_rejoin(&mut self, from: OsdId, attempt: u64) {
        let Some(peer) = self.primary.as_ref().and_then(|p| p.peers.get(&from)) else { return };
        if peer.attempt == attempt
            && matches!(
                peer.stage,
                Stage::Comparing { .. } | Stage::Syncing(_) | Stage::Adopting { .. } | Stage::Cutting { .. }
            )
        {
            self.ask(from);
        }
    }

    /// A page of the primary's log. The last one makes it ours, if nothing is missing.
    pub(crate) fn on_adopt(&mut self, from: OsdId, attempt: u64, page: Page) {
        if !self.in_session(from, attempt) {
            return;
        }
        let f = &mut self.follower;
        if page.first {
            f.pages.clear();
        }
        let end = f.pages.last().map_or(page.after.seq, |e| e.version.seq);
        let contiguous = page.entries.iter().zip(end + 1..).all(|(e, seq)| e.version.seq == seq);
        if !contiguous {
            f.pages.clear();
            return;
        }
        f.pages.extend(page.entries);
        if !page.last {
            return;
        }
        let entries = std::mem::take(&mut f.pages);
        let target = entries.last().map_or(page.after, |e| e.version);
        let joining = f.joining;
        let staged = f.staged.len();
        if joining.is_none() && staged == 0 && self.is_level_with(target) {
            // Adopted before; the answer was lost.
            self.adopted(from, attempt, target.seq);
            return;
        }
        match (joining, page.staged) {
            // A write before the log's end is missing here; it is sent again, and then the log.
            (Some(joining), None) if joining.next != target.seq + 1 && !self.breaks(Bug::AdoptWithGap) => {
                return;
            }
            (Some(_), None) => {}
            (None, Some(wanted)) if staged == wanted as usize => {}
            // Something of the attempt did not get here: without it the log would say what is not true.
            _ => {
                let interval = self.interval;
                self.send(from, PgMessage::Rejoin { interval, attempt });
                return;
            }
        }
        self.replace_log(page.after, entries);
        self.adopted(from, attempt, target.seq);
    }

    /// Whether our log is the primary's through `target`: what we have behind that came from it too.
    fn is_level_with(&self, target: Version) -> bool {
        let behind = self.log.at(target.seq + 1);
        self.info.condition == Condition::Complete
            && self.log.contains(target)
            && behind.is_none_or(|e| e.version.interval == self.interval)
    }

    fn adopted(&mut self, to: OsdId, attempt: u64, head: u64) {
        let interval = self.interval;
        self.durability.then(Then::Send(to, PgMessage::Adopted { interval, attempt, head }));
    }

    fn replace_log(&mut self, after: Version, entries: Vec<LogEntry>) {
        let mut t = Transaction::new();
        for (object, from) in std::mem::take(&mut self.follower.staged) {
            match from {
                Some(from) => {
                    self.follower.temps.remove(&from);
                    t.push(Mutation::Rename { from, to: object });
                }
                None => t.push(Mutation::Remove { object }),
            }
        }
        if self.log.contains(after) {
            self.log.cut(after);
            self.meta.cut(&mut t, after);
        } else {
            self.log = Log::new(after);
            self.meta.clear_log(&mut t);
        }
        self.meta.entries(&mut t, &entries);
        for entry in entries {
            self.log.push(entry);
        }
        self.drop_unlogged(&mut t);
        if !self.dirty.is_empty() {
            self.dirty.clear();
            self.meta.clear_dirty(&mut t);
        }
        self.follower.joining = None;
        self.info.condition = Condition::Complete;
        self.info.tail = self.log.tail();
        self.meta.info(&mut t, &self.info);
        self.store(t);
    }
}
