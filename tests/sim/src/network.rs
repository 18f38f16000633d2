//! Connections as `wire-transport` makes them: what is sent on one arrives in order, or the connection breaks and
//! what was under way on it is lost; who made it tries again with a growing pause. A new connection says nothing
//! about the old one: what the receiver had already read of that may still be handled after the new one's first
//! messages.

use crate::agenda::Happening;
use crate::end::End;
use crate::packet::Packet;
use crate::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use stdx::Time;

/// Who made it, and to whom.
pub(crate) type ConnId = (End, End);

/// One connection, or the wish for one.
#[derive(Debug, Default)]
pub(crate) struct Conn {
    /// 0 while there is none.
    session: u64,
    /// Its maker wants it.
    wanted: bool,
    /// An attempt is on the agenda.
    trying: bool,
    failures: u32,
    /// From its maker, and to it.
    ways: [Way; 2],
}

#[derive(Debug)]
struct Way {
    queue: VecDeque<Packet>,
    /// When the last packet sent so far arrives.
    last: Time,
    /// Arrivals that found the way blocked.
    stalled: u32,
}

impl Default for Way {
    fn default() -> Way {
        Way { queue: VecDeque::new(), last: Time::ZERO, stalled: 0 }
    }
}

/// All connections, and what is wrong with the wires.
#[derive(Debug, Default)]
pub(crate) struct Network {
    conns: BTreeMap<ConnId, Conn>,
    sessions: u64,
    /// Ways that nothing passes, by how many faults say so.
    cuts: BTreeMap<(End, End), u32>,
    /// Ways that take longer, microseconds at most.
    slow_us: BTreeMap<(End, End), u64>,
}

impl Network {
    pub(crate) fn is_cut(&self, from: End, to: End) -> bool {
        !self.cuts.is_empty() && self.cuts.contains_key(&(from, to))
    }

    pub(crate) fn has_cuts(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// Whether there is a connection that `from` can send to `to` on, as far as it knows.
    pub(crate) fn is_up(&self, from: End, to: End) -> bool {
        let (id, _) = conn_of(from, to);
        self.conns.get(&id).is_some_and(|c| c.session != 0)
    }

    /// The session of the connection between them; 0: none.
    pub(crate) fn session(&self, from: End, to: End) -> u64 {
        let (id, _) = conn_of(from, to);
        self.conns.get(&id).map_or(0, |c| c.session)
    }

    /// Connections that stand.
    pub(crate) fn standing(&self) -> Vec<ConnId> {
        self.conns.iter().filter(|(_, c)| c.session != 0).map(|(id, _)| *id).collect()
    }

    fn touching(&self, end: End) -> Vec<ConnId> {
        self.conns.keys().filter(|(a, b)| *a == end || *b == end).copied().collect()
    }

    pub(crate) fn slow_down(&mut self, from: End, to: End, us: u64) {
        self.slow_us.insert((from, to), us);
    }

    pub(crate) fn speed_up(&mut self) {
        self.slow_us.clear();
    }
}

/// Which connection carries what `from` sends to `to`, and which way of it. OSDs answer each other on connections of
/// their own; everybody else is answered where he asked.
fn conn_of(from: End, to: End) -> (ConnId, usize) {
    match (from, to) {
        (End::Osd(_), End::Client(_)) | (End::Mon(_), _) => ((to, from), 1),
        _ => ((from, to), 0),
    }
}

impl World {
    /// Wants a connection and keeps wanting it.
    pub(crate) fn connect(&mut self, from: End, to: End) {
        let conn = self.network.conns.entry((from, to)).or_default();
        conn.wanted = true;
        if conn.session == 0 && !conn.trying {
            conn.trying = true;
            let after = Duration::from_micros(100 + self.rng.below(2000));
            self.at(after, Happening::Attempt { conn: (from, to) });
        }
    }

    /// Closes a connection and wants it no more.
    pub(crate) fn disconnect(&mut self, from: End, to: End) {
        if let Some(conn) = self.network.conns.get_mut(&(from, to)) {
            conn.wanted = false;
            conn.failures = 0;
            self.break_conn((from, to));
        }
    }

    /// An attempt to connect comes to something.
    pub(crate) fn attempt(&mut self, id: ConnId) {
        let (from, to) = id;
        let there = self.listens(to);
        let open = !self.network.is_cut(from, to) && !self.network.is_cut(to, from) && !self.is_paused(to);
        let Some(conn) = self.network.conns.get_mut(&id) else { return };
        conn.trying = false;
        if !conn.wanted || conn.session != 0 {
            return;
        }
        if there && open {
            self.network.sessions += 1;
            let session = self.network.sessions;
            *conn = Conn { session, wanted: true, ..Conn::default() };
            self.connected(from, to, session);
            return;
        }
        conn.trying = true;
        conn.failures += 1;
        let pause = (50u64 << conn.failures.min(5)).min(1000);
        self.at(Duration::from_millis(pause), Happening::Attempt { conn: id });
        if !there && !self.network.is_cut(from, to) {
            self.refused(from, to);
        }
    }

    /// Sends, if there is a connection.
    pub(crate) fn send(&mut self, from: End, to: End, packet: Packet) {
        let (id, way) = conn_of(from, to);
        let session = self.network.session(from, to);
        if session == 0 {
            return;
        }
        if !self.healing && self.rng.below(1_000_000) < self.settings.breaks_ppm {
            self.count("connection-breaks");
            self.break_conn(id);
            return;
        }
        let twice = matches!(packet, Packet::Pg { .. })
            && !self.healing
            && self.rng.below(1_000_000) < self.settings.repeats_ppm;
        if twice {
            self.count("repeated-messages");
            self.queue(id, way, session, packet.clone());
        }
        self.queue(id, way, session, packet);
    }

    fn queue(&mut self, id: ConnId, way: usize, session: u64, packet: Packet) {
        let (from, to) = if way == 0 { id } else { (id.1, id.0) };
        let slow = self.network.slow_us.get(&(from, to)).copied().unwrap_or(0);
        let mut us = 40 + self.rng.below(self.settings.link_us);
        if slow > 0 {
            us += self.rng.below(slow);
        }
        let now = self.now;
        let conn = self.network.conns.get_mut(&id).expect("it has a session");
        let lane = &mut conn.ways[way];
        let arrival = (now + Duration::from_micros(us)).max(lane.last + Duration::from_nanos(1));
        lane.last = arrival;
        lane.queue.push_back(packet);
        self.at(arrival.since(now), Happening::Arrive { conn: id, way, session });
    }

    /// Something gets to the end of a way.
    pub(crate) fn arrive(&mut self, id: ConnId, way: usize, session: u64) {
        let (from, to) = if way == 0 { id } else { (id.1, id.0) };
        let blocked = self.network.is_cut(from, to) || self.is_paused(to);
        let Some(conn) = self.network.conns.get_mut(&id).filter(|c| c.session == session) else { return };
        if blocked {
            conn.ways[way].stalled += 1;
            return;
        }
        if let Some(packet) = conn.ways[way].queue.pop_front() {
            self.deliver(from, to, session, packet);
        }
    }

    /// Ways may be free again: what waited on them goes on.
    pub(crate) fn unstall(&mut self) {
        let ids: Vec<ConnId> = self.network.conns.keys().copied().collect();
        for id in ids {
            for way in 0..2 {
                let (from, to) = if way == 0 { id } else { (id.1, id.0) };
                if self.network.is_cut(from, to) || self.is_paused(to) {
                    continue;
                }
                let conn = self.network.conns.get_mut(&id).expect("just listed");
                let session = conn.session;
                for n in 0..std::mem::take(&mut conn.ways[way].stalled) {
                    let after = Duration::from_micros(u64::from(n) * 5);
                    self.at(after, Happening::Arrive { conn: id, way, session });
                }
            }
        }
    }

    /// A connection breaks. Some of what was under way had been read by its receiver, or was just about to be.
    pub(crate) fn break_conn(&mut self, id: ConnId) {
        let Some(conn) = self.network.conns.get_mut(&id).filter(|c| c.session != 0) else { return };
        let session = conn.session;
        self.trace.line(self.now, || format!("session {session} of {} and {} breaks", id.0, id.1));
        let ways = std::mem::take(&mut conn.ways);
        conn.session = 0;
        let mut latest = 0;
        for (way, lane) in ways.into_iter().enumerate() {
            let (from, to) = if way == 0 { id } else { (id.1, id.0) };
            if lane.queue.is_empty() || self.network.is_cut(from, to) || self.rng.chance(1, 2) {
                continue;
            }
            let life = self.life_of(to);
            let read = self.rng.below(lane.queue.len() as u64 + 1) as usize;
            let mut us = 0;
            let pause = if self.rng.chance(1, 3) { 100_000 } else { 500 };
            for packet in lane.queue.into_iter().take(read) {
                us += 1 + self.rng.below(pause);
                self.at(Duration::from_micros(us), Happening::Late { from, to, life, session, packet });
            }
            latest = latest.max(us);
        }
        let (from, to) = id;
        let noticed = latest + 1 + self.rng.below(20_000);
        self.at(Duration::from_micros(noticed), Happening::Lost { end: to, peer: from, session });
        let noticed = 1 + self.rng.below(20_000);
        self.at(Duration::from_micros(noticed), Happening::Lost { end: from, peer: to, session });
        let conn = self.network.conns.get_mut(&id).expect("just seen");
        if conn.wanted && !conn.trying {
            conn.trying = true;
            let after = Duration::from_micros(noticed + 1 + self.rng.below(3000));
            self.at(after, Happening::Attempt { conn: id });
        }
    }

    /// A process ended: its connections break, and it wants none any more.
    pub(crate) fn end_conns(&mut self, end: End) {
        for id in self.network.touching(end) {
            self.break_conn(id);
            if id.0 == end {
                self.network.conns.remove(&id);
            }
        }
    }

    /// Cuts a way; what is connected over it breaks soon, or waits for the way to come back.
    pub(crate) fn cut(&mut self, from: End, to: End) {
        *self.network.cuts.entry((from, to)).or_default() += 1;
        for id in [(from, to), (to, from)] {
            if self.network.conns.get(&id).is_some_and(|c| c.session != 0) && self.rng.chance(1, 2) {
                let after = Duration::from_millis(self.rng.below(3000));
                self.at(after, Happening::Break { conn: id });
            }
        }
    }

    /// Mends a way.
    pub(crate) fn mend(&mut self, from: End, to: End) {
        if let Some(count) = self.network.cuts.get_mut(&(from, to)) {
            *count -= 1;
            if *count == 0 {
                self.network.cuts.remove(&(from, to));
            }
        }
    }

    /// Mends everything.
    pub(crate) fn mend_all(&mut self) {
        self.network.cuts.clear();
        self.network.slow_us.clear();
    }
}
