//! The primary's side of a push: one object in pieces, a few of them under way at once.

use crate::effect::Effect;
use crate::erasure_coded::gather::{Gather, GatherFor};
use crate::erasure_coded::tag::{TAG, Tag};
use crate::machine::{Pg, ReadFor};
use crate::repair::fetch::FetchFor;
use crate::sabotage::Bug;
use bytes::Bytes;
use erasure::ChunkSet;
use osd_object::{ObjectId, ObjectRead, OmapRange, Version};
use placement_map::OsdId;
use std::collections::VecDeque;
use stdx::{Errno, Time};
use wire_codec::PgMessage;
use wire_codec::pg::{Push, PushBody, PushHead};

/// An object on its way. It is locked against writes here meanwhile.
#[derive(Debug)]
pub(crate) struct Pushing {
    pub(crate) object: ObjectId,
    /// For the first piece; sent with it.
    head: Option<PushHead>,
    size: u64,
    version: Version,
    /// Data up to here was read.
    offset: u64,
    /// Rows up to here were read.
    rows_after: Option<Bytes>,
    /// Number of the piece being read, or the next one.
    chunk: u32,
    /// Its data is being read.
    reading: bool,
    /// The last piece was sent.
    complete: bool,
    /// Pieces that are not acknowledged, in order.
    sent: VecDeque<Push>,
    /// When they must be sent again.
    pub(crate) again_at: Option<Time>,
}

impl Pg {
    /// Begins to push an object, as it is now.
    pub(crate) fn begin_push(&mut self, osd: OsdId, object: ObjectId, view: &dyn ObjectRead) {
        let stored = view.meta(&object).and_then(|m| Ok((m, view.xattrs(&object)?)));
        let p = self.primary.as_mut().expect("only a primary pushes");
        let (meta, xattrs) = match stored {
            Ok(x) => x,
            Err(_) => {
                p.unreadable.insert(object);
                return;
            }
        };
        assert!(self.ops.lock_shared(&object), "no writer is waiting for data of an object that is pushed");
        p.pushes += 1;
        let push = p.pushes;
        let shard = p.peers.get(&osd).and_then(|peer| peer.shard);
        let mut xattrs: Vec<(String, Bytes)> = xattrs.into_iter().collect();
        for (_, value) in xattrs.iter_mut().filter(|(name, _)| shard.is_some() && name == TAG) {
            // The same object, another shard of it.
            if let (Ok(tag), Some(shard)) = (Tag::read(value.clone()), shard) {
                *value = Tag { shard, ..tag }.bytes();
            }
        }
        let head = meta.map(|meta| PushHead { meta, xattrs });
        let pushing = Pushing {
            object,
            head,
            size: meta.map_or(0, |m| m.size),
            version: meta.map_or(Version::ZERO, |m| m.version),
            offset: 0,
            rows_after: None,
            chunk: 0,
            reading: false,
            complete: false,
            sent: VecDeque::new(),
            again_at: None,
        };
        let peer = p.peers.get_mut(&osd).expect("pushing to a peer");
        peer.recovery_mut().expect("pushing in a recovery").pushing.insert(push, pushing);
        if meta.is_none() {
            self.send_piece(osd, push, PushBody::Absent);
        } else {
            self.next_pieces(osd, push, view);
        }
    }

    fn pushing(&mut self, osd: OsdId, push: u64) -> Option<&mut Pushing> {
        self.primary.as_mut()?.peers.get_mut(&osd)?.recovery_mut()?.pushing.get_mut(&push)
    }

    /// Goes on with a push until enough pieces are under way: fetches data, and rows, which need no waiting.
    fn next_pieces(&mut self, osd: OsdId, push: u64, view: &dyn ObjectRead) {
        loop {
            let window = self.config.push_window;
            let Some(pushing) = self.pushing(osd, push) else { return };
            if pushing.reading || pushing.complete || pushing.sent.len() >= window {
                return;
            }
            if pushing.offset < pushing.size {
                pushing.reading = true;
                self.read_piece(osd, push, view);
                return;
            }
            self.compose(osd, push, Vec::new(), view);
        }
    }

    fn read_piece(&mut self, osd: OsdId, push: u64, view: &dyn ObjectRead) {
        let max = u64::from(self.config.push_bytes_max);
        let Some(pushing) = self.pushing(osd, push) else { return };
        let (object, offset, len) =
            (pushing.object.clone(), pushing.offset, max.min(pushing.size - pushing.offset));
        let version = pushing.version;
        let peer = self.primary.as_ref().and_then(|p| p.peers.get(&osd));
        let (attempt, shard) = peer.map_or((0, None), |peer| (peer.attempt, peer.shard));
        let ticket = self.durability.ticket();
        if let Some(shard) = shard.filter(|_| self.shape.is_some()) {
            let purpose = GatherFor::Push { to: osd, attempt, push };
            let wanted = ChunkSet::from_iter([usize::from(shard)]);
            let gather = Gather::new(object, version, (offset, offset + len), wanted, purpose);
            self.gather(ticket, gather, view);
            return;
        }
        self.reads.insert(ticket, ReadFor::Push { to: osd, attempt, push });
        self.effect(Effect::Read { ticket, object, offset, len });
    }

    /// A read of our own copy for a piece ended. What cannot be read here is fetched from another member, even
    /// though its copy is as old as ours: the receiver must not get less than what is there.
    pub(crate) fn push_read(
        &mut self,
        osd: OsdId,
        attempt: u64,
        push: u64,
        result: Result<Bytes, Errno>,
        view: &dyn ObjectRead,
    ) {
        let current = self.primary.as_ref().and_then(|p| p.peers.get(&osd)).map(|peer| peer.attempt);
        let max = u64::from(self.config.push_bytes_max);
        let fetches =
            result.is_err() && current == Some(attempt) && !self.breaks(Bug::PushUnreadableAsAbsent);
        let wanted = self.pushing(osd, push).filter(|_| fetches).map(|pushing| {
            let len = max.min(pushing.size - pushing.offset);
            ((pushing.object.clone(), pushing.version), pushing.offset, len)
        });
        let Some((object, offset, len)) = wanted else {
            return self.push_data_read(osd, attempt, push, result, view);
        };
        let ticket = self.durability.ticket();
        let purpose = FetchFor::Push { to: osd, attempt, push, offset, len };
        self.fetch(ticket, object, (offset, offset + len), purpose, view);
    }

    /// Data for a piece came.
    pub(crate) fn push_data_read(
        &mut self,
        osd: OsdId,
        attempt: u64,
        push: u64,
        result: Result<Bytes, Errno>,
        view: &dyn ObjectRead,
    ) {
        let current = self.primary.as_ref().and_then(|p| p.peers.get(&osd)).map(|peer| peer.attempt);
        let Some(pushing) = self.pushing(osd, push).filter(|_| current == Some(attempt)) else { return };
        match result {
            Ok(data) => {
                let offset = pushing.offset;
                pushing.reading = false;
                pushing.offset += data.len() as u64;
                // What no piece covers reads as zeros.
                let holes = data.iter().all(|b| *b == 0);
                self.compose(osd, push, if holes { Vec::new() } else { vec![(offset, data)] }, view);
                self.next_pieces(osd, push, view);
            }
            Err(_) if self.breaks(Bug::PushUnreadableAsAbsent) => {
                self.send_piece(osd, push, PushBody::Absent);
            }
            Err(_) => self.cannot_read(osd, push),
        }
    }

    /// Our own copy is unreadable, and everybody else's: the object cannot be given to anybody.
    fn cannot_read(&mut self, osd: OsdId, push: u64) {
        let Some(p) = self.primary.as_mut() else { return };
        let recovery = p.peers.get_mut(&osd).and_then(|peer| peer.recovery_mut());
        let Some(pushing) = recovery.and_then(|r| r.pushing.remove(&push)) else { return };
        p.unreadable.insert(pushing.object.clone());
        self.ops.unlock_shared(&pushing.object);
    }

    fn compose(&mut self, osd: OsdId, push: u64, data: Vec<(u64, Bytes)>, view: &dyn ObjectRead) {
        let bytes_max = self.config.push_bytes_max;
        let Some(pushing) = self.pushing(osd, push) else { return };
        let data_done = pushing.offset >= pushing.size;
        let mut rows = Vec::new();
        let mut last = false;
        if data_done {
            let mut range = OmapRange { rows_max: u32::MAX, bytes_max, ..OmapRange::all() };
            if let Some(after) = &pushing.rows_after {
                range = range.after(after);
            }
            match view.omap_range(&pushing.object, &range) {
                Ok(page) => {
                    last = !page.more;
                    pushing.rows_after =
                        page.rows.last().map(|(k, _)| k.clone()).or(pushing.rows_after.take());
                    rows = page.rows;
                }
                Err(_) => return self.cannot_read(osd, push),
            }
        }
        let head = pushing.head.take();
        self.send_piece(osd, push, PushBody::Present { head, data, rows, last });
    }

    fn send_piece(&mut self, osd: OsdId, push: u64, body: PushBody) {
        let (interval, again_at) = (self.interval, self.now + self.config.resend);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        let attempt = peer.attempt;
        let Some(recovery) = peer.recovery_mut() else { return };
        let staged = recovery.staged;
        let Some(pushing) = recovery.pushing.get_mut(&push) else { return };
        let (chunk, object) = (pushing.chunk, pushing.object.clone());
        pushing.chunk += 1;
        pushing.complete = matches!(body, PushBody::Absent | PushBody::Present { last: true, .. });
        let piece = Push { interval, attempt, push, chunk, object, staged, body };
        pushing.sent.push_back(piece.clone());
        pushing.again_at = Some(again_at);
        self.send(osd, PgMessage::Push(piece));
    }

    /// Sends again the pieces that were not acknowledged in time.
    pub(crate) fn push_again(&mut self, osd: OsdId) {
        let (now, resend) = (self.now, self.config.resend);
        let recovery =
            self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)).and_then(|peer| peer.recovery_mut());
        let Some(recovery) = recovery else { return };
        let mut due = Vec::new();
        for pushing in recovery.pushing.values_mut() {
            if pushing.again_at.is_some_and(|at| at <= now) {
                pushing.again_at = Some(now + resend);
                due.extend(pushing.sent.iter().cloned());
            }
        }
        for piece in due {
            self.send(osd, PgMessage::Push(piece));
        }
    }

    /// A piece is durable at the member.
    pub(crate) fn on_pushed(
        &mut self,
        from: OsdId,
        attempt: u64,
        push: u64,
        chunk: u32,
        view: &dyn ObjectRead,
    ) {
        let again_at = self.now + self.config.resend;
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&from)) else { return };
        if peer.attempt != attempt {
            return;
        }
        let Some(recovery) = peer.recovery_mut() else { return };
        let Some(pushing) = recovery.pushing.get_mut(&push) else { return };
        // Pieces are applied in order, so this one's acknowledgement covers those before it.
        while pushing.sent.front().is_some_and(|piece| piece.chunk <= chunk) {
            pushing.sent.pop_front();
        }
        pushing.again_at = (!pushing.sent.is_empty()).then_some(again_at);
        if pushing.complete && pushing.sent.is_empty() {
            let Pushing { object, size, .. } = recovery.pushing.remove(&push).expect("just seen");
            recovery.missing.remove(&object);
            recovery.staged_count += u32::from(recovery.staged);
            peer.pushed += 1;
            self.copied.objects += 1;
            self.copied.bytes += size;
            self.ops.unlock_shared(&object);
        } else {
            self.next_pieces(from, push, view);
        }
    }
}
