//! Hashes the uploads that are under way together: each leaves what came of it here, and whoever has left enough, or
//! has come to its end, hashes for all. No thread of its own, no queue: whoever works, works for the others too.

use super::kernel::{BLOCK_BYTES, LANES, START, compress};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that wait at most for each upload that is under way, counted together. More company is found the more waits;
/// an upload with no company must not have all of its body left to hash when its last byte comes. All of it takes
/// about a millisecond, which is for how long the others may have to wait.
const WAITING_EACH_MAX: usize = 512 << 10;
/// With fewer uploads than this that have something, the rest is left for company to come, while there is room.
const COMPANY_MIN: usize = 4;

/// One upload's part.
struct Lane {
    state: [u32; 4],
    /// Whole blocks each.
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
}

#[derive(Default)]
struct Lanes {
    all: BTreeMap<u64, Lane>,
    waiting_bytes: usize,
    next: u64,
}

/// The uploads that are hashed together.
pub(super) struct Shared {
    lanes: Mutex<Lanes>,
}

/// A place among them. What its end is not asked for is forgotten with it.
pub(super) struct Place<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Shared {
    pub(super) const fn new() -> Shared {
        Shared { lanes: Mutex::new(Lanes { all: BTreeMap::new(), waiting_bytes: 0, next: 0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new message.
    pub(super) fn enter(&self) -> Place<'_> {
        let mut lanes = self.lock();
        let number = lanes.next;
        lanes.next += 1;
        lanes.all.insert(number, Lane { state: START, waiting: VecDeque::new(), waiting_bytes: 0 });
        Place { shared: self, number }
    }
}

impl Place<'_> {
    /// The next whole blocks of the message.
    pub(super) fn add(&self, blocks: Bytes) {
        assert!(blocks.len() % BLOCK_BYTES == 0, "whole blocks");
        if blocks.is_empty() {
            return;
        }
        let mut lanes = self.shared.lock();
        lanes.add(self.number, blocks);
        while lanes.waiting_bytes > WAITING_EACH_MAX * lanes.all.len().min(LANES) {
            lanes.work(None);
        }
    }

    /// The state after the message's last blocks.
    pub(super) fn end(self, blocks: Bytes) -> [u32; 4] {
        let mut lanes = self.shared.lock();
        lanes.add(self.number, blocks);
        while lanes.all.get(&self.number).is_some_and(|lane| lane.waiting_bytes > 0) {
            lanes.work(Some(self.number));
        }
        lanes.all.get(&self.number).map_or(START, |lane| lane.state)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut lanes = self.shared.lock();
        if let Some(lane) = lanes.all.remove(&self.number) {
            lanes.waiting_bytes -= lane.waiting_bytes;
        }
    }
}

impl Lanes {
    fn add(&mut self, number: u64, blocks: Bytes) {
        if let Some(lane) = self.all.get_mut(&number) {
            self.waiting_bytes += blocks.len();
            lane.waiting_bytes += blocks.len();
            lane.waiting.push_back(blocks);
        }
    }

    /// Hashes until fewer than a few have something (or until `wanted` is through), for those with most first.
    fn work(&mut self, wanted: Option<u64>) {
        let mut chosen: Vec<(u64, &mut Lane)> =
            self.all.iter_mut().filter(|(_, lane)| lane.waiting_bytes > 0).map(|(n, l)| (*n, l)).collect();
        chosen.sort_by_key(|(n, lane)| (Some(*n) != wanted, std::cmp::Reverse(lane.waiting_bytes)));
        chosen.truncate(LANES);
        let enough = COMPANY_MIN.min(chosen.len());
        loop {
            let busy = chosen.iter().filter(|(_, lane)| lane.waiting_bytes > 0).count();
            let through = match wanted {
                Some(_) => chosen.first().is_none_or(|(_, lane)| lane.waiting_bytes == 0),
                None => busy < enough,
            };
            if through || busy == 0 {
                return;
            }
            let done: usize = step(&mut chosen);
            self.waiting_bytes -= done;
        }
    }
}

/// Takes as many blocks of each as the shortest has in one piece. How many bytes in all.
fn step(chosen: &mut [(u64, &mut Lane)]) -> usize {
    let fronts: Vec<(usize, Bytes)> = chosen
        .iter()
        .enumerate()
        .filter_map(|(at, (_, lane))| Some((at, lane.waiting.front()?.clone())))
        .collect();
    let Some(bytes) = fronts.iter().map(|(_, front)| front.len()).min() else { return 0 };
    let mut states = [START; LANES];
    // Lanes without a message of their own go along with the first's; nobody looks at what comes of that.
    let mut messages = [&fronts[0].1[..bytes]; LANES];
    for (slot, (at, front)) in fronts.iter().enumerate() {
        states[slot] = chosen[*at].1.state;
        messages[slot] = &front[..bytes];
    }
    compress(&mut states, messages);
    for (slot, (at, front)) in fronts.iter().enumerate() {
        let lane = &mut *chosen[*at].1;
        lane.state = states[slot];
        lane.waiting_bytes -= bytes;
        lane.waiting.pop_front();
        if front.len() > bytes {
            lane.waiting.push_front(front.slice(bytes..));
        }
    }
    bytes * fronts.len()
}
