//! How the stripes that a write touches are coded anew: cut into *pieces*, ranges of columns (the same bytes of every
//! chunk), since a parity byte depends on nothing but the data bytes of its own column. Parity comes from all data of
//! a piece, or from what changed and the old parity: whichever reads less. Pure arithmetic.

use super::overlay::Overlay;
use super::shape::Shape;
use erasure::ChunkSet;
use stdx::Errno;

/// The most that a write may put into one shard, bytes: it travels in one message.
const SHARD_BYTES_MAX: u64 = 16 << 20;
/// The most that a write may encode, bytes of the object. An operation carries at most 16 MiB; more only comes of many
/// small pieces far apart.
const ENCODED_BYTES_MAX: u64 = 64 << 20;
/// The most pieces of one write: each is an effect on several shards.
const PIECES_MAX: usize = 16 << 10;

/// Columns that are coded anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The range within the shards. Of more than one stripe only if all of their data is new.
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// Data chunks that change, in the order of the object's bytes.
    pub(crate) changed: ChunkSet,
    /// Shards of which the old bytes are wanted, by position.
    pub(crate) old: ChunkSet,
    /// New parity is the old one and what changed, rather than made from all data.
    pub(crate) delta: bool,
}

/// What of the object before the write plays a part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// Whether anything does.
    pub(crate) there: bool,
    /// Its size.
    pub(crate) size: u64,
    /// Its bytes from here on are gone.
    pub(crate) end: u64,
}

/// What becomes of the touched stripes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) coded: Vec<Piece>,
    /// Neighbouring stripes (the first, how many) that become zeros as a whole.
    pub(crate) zeros: Vec<(u64, u64)>,
}

/// A write, as far as its bytes go.
pub(crate) struct Change<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) before: Before,
    /// The object's size afterwards.
    pub(crate) size: u64,
    pub(crate) overlay: &'a Overlay,
    /// Shards that can be read now.
    pub(crate) available: ChunkSet,
}

impl Change<'_> {
    /// Cuts the write into pieces. E2BIG for more than one write can carry.
    pub(crate) fn pieces(&self) -> Result<Pieces, Errno> {
        let mut pieces = Pieces::default();
        let width = self.shape.width();
        let count = self.size.div_ceil(width);
        let cut = self.cut().map(|(from, _)| from / width);
        // Ranges do not overlap and come in order, so stripes do too, some of them twice.
        let of_ranges = self.overlay.iter().flat_map(|(from, range)| from / width..range.end.div_ceil(width));
        let mut cut = cut.into_iter().peekable();
        let (mut next, mut shard_bytes) = (0, 0);
        for stripe in of_ranges {
            if let Some(first) = cut.next_if(|cut| *cut <= stripe) {
                self.stripe(first, &mut next, count, &mut pieces);
            }
            self.stripe(stripe, &mut next, count, &mut pieces);
            if pieces.coded.len() > PIECES_MAX {
                return Err(Errno::E2BIG);
            }
        }
        for stripe in cut {
            self.stripe(stripe, &mut next, count, &mut pieces);
        }
        for piece in &pieces.coded {
            shard_bytes += piece.high - piece.low;
        }
        let encoded = shard_bytes * (width / self.shape.unit());
        if shard_bytes > SHARD_BYTES_MAX || encoded > ENCODED_BYTES_MAX.max(width) {
            return Err(Errno::E2BIG);
        }
        Ok(pieces)
    }

    /// Old bytes behind the end go to zeros as far as their stripe is kept, so that the padding stays what it is said to
    /// be: this range.
    fn cut(&self) -> Option<(u64, u64)> {
        let (before, width) = (self.before, self.shape.width());
        let kept = before.end.next_multiple_of(width).min(before.size);
        (before.there && before.end < kept).then_some((before.end, kept))
    }

    fn stripe(&self, stripe: u64, next: &mut u64, count: u64, pieces: &mut Pieces) {
        if stripe < *next || stripe >= count {
            return;
        }
        *next = stripe + 1;
        let (width, unit) = (self.shape.width(), self.shape.unit());
        let (start, end) = (stripe * width, (stripe + 1) * width);
        let k = (width / unit) as usize;
        if self.overlay.covers(start, end) && self.has_data(start, end) {
            let (low, high) = (stripe * unit, (stripe + 1) * unit);
            if let Some(last) = pieces.coded.last_mut().filter(|p| p.is_full(k, unit) && p.high == low) {
                last.high = high;
                return;
            }
            let (changed, old) = (ChunkSet::first(k), ChunkSet::new());
            pieces.coded.push(Piece { low, high, changed, old, delta: false });
            return;
        }
        let old_end = end.min(self.before.end).max(start);
        let nothing_stays = !self.before.there || self.overlay.covers(start, old_end);
        if nothing_stays && !self.has_data(start, end) {
            match pieces.zeros.last_mut() {
                Some((first, count)) if *first + *count == stripe => *count += 1,
                _ => pieces.zeros.push((stripe, 1)),
            }
            return;
        }
        for (from, to) in self.columns(start) {
            pieces.coded.push(self.piece(stripe, from, to));
        }
    }

    fn has_data(&self, start: u64, end: u64) -> bool {
        self.overlay.within(start, end).any(|(_, range)| range.data.is_some())
    }

    /// Whether anything of these bytes of the object changes.
    fn changes(&self, start: u64, end: u64) -> bool {
        let cut = self.cut().is_some_and(|(from, to)| from < end && to > start);
        cut || self.overlay.within(start, end).next().is_some()
    }

    /// The columns that change in the stripe that begins here, apart from each other.
    fn columns(&self, start: u64) -> Vec<(u64, u64)> {
        let (width, unit) = (self.shape.width(), self.shape.unit());
        let changed = self.overlay.within(start, start + width).map(|(from, range)| (from, range.end));
        let cut = self.cut().map(|(from, to)| (from.max(start), to.min(start + width)));
        let mut columns = Vec::new();
        for (mut at, end) in changed.chain(cut) {
            while at < end {
                let column = (at - start) % unit;
                let len = (unit - column).min(end - at);
                columns.push((column, column + len));
                at += len;
            }
        }
        columns.sort_unstable();
        let mut apart: Vec<(u64, u64)> = Vec::new();
        for (from, to) in columns {
            match apart.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => apart.push((from, to)),
            }
        }
        apart
    }

    /// The piece of these columns, parity coming from what reads less.
    fn piece(&self, stripe: u64, from: u64, to: u64) -> Piece {
        let (shape, before) = (self.shape, self.before);
        let (unit, width) = (shape.unit(), shape.width());
        let mut changed = ChunkSet::new();
        // Of all data, and of what changes: what has to be read.
        let (mut of_all, mut of_changed) = (ChunkSet::new(), ChunkSet::new());
        for (data, position) in shape.code.data_positions().iter().enumerate() {
            let start = stripe * width + data as u64 * unit + from;
            let end = start + (to - from);
            let kept = end.min(before.end).max(start);
            if before.there && !self.overlay.covers(start, kept) {
                of_all.insert(*position);
            }
            if self.changes(start, end) {
                changed.insert(data);
                if start < before.size {
                    of_changed.insert(*position);
                }
            }
        }
        let parity: ChunkSet = shape.code.coding_positions().iter().copied().collect();
        let of_delta = of_changed | parity;
        let parity_is_there = before.there && (stripe + 1) * unit <= shape.shard_bytes(before.size);
        let possible = parity_is_there && before.end == before.size;
        let delta = possible && self.reads(of_delta) < self.reads(of_all);
        let old = if delta { of_delta } else { of_all };
        Piece { low: stripe * unit + from, high: stripe * unit + to, changed, old, delta }
    }

    /// How many shards have to be read to have these.
    fn reads(&self, wanted: ChunkSet) -> usize {
        if wanted.is_subset(self.available) {
            return wanted.len();
        }
        let reads = self.shape.code.minimum_to_decode(wanted, self.available);
        reads.map_or(usize::MAX, ChunkSet::len)
    }
}

impl Piece {
    /// Whether it is whole stripes of new data.
    fn is_full(&self, k: usize, unit: u64) -> bool {
        let whole = self.low.is_multiple_of(unit) && self.high.is_multiple_of(unit);
        whole && self.old.is_empty() && self.changed == ChunkSet::first(k)
    }
}
