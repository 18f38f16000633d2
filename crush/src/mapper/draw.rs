//! One draw from one bucket, by each of the five algorithms.

use super::Search;
use super::straw2::Scan;
use crate::bucket::Draw;
use crate::{Bucket, ChooseArg, hash, tree};

impl Search<'_> {
    /// The item that `bucket`, which is not empty, gives for attempt `r`.
    /// `position` is the place in the result, which selects a weight set of `choose_args`.
    pub(super) fn draw(&mut self, bucket: &Bucket, r: u32, position: usize) -> i32 {
        let x = self.x;
        match &bucket.draw {
            Draw::Uniform { .. } => self.permuted(bucket, r),
            Draw::List { weights, sums } => list(bucket, weights, sums, x, r),
            Draw::Tree { nodes } => tree(bucket, nodes, x, r),
            Draw::Straw { straws, .. } => straw(bucket, straws, x, r),
            Draw::Straw2 { weights } => straw2(bucket, weights, self.choose_arg(bucket), x, r, position),
        }
    }

    /// Item `r` (modulo the size) of the bucket's permutation for this seed.
    pub(super) fn permuted(&mut self, bucket: &Bucket, r: u32) -> i32 {
        let size = bucket.items.len() as u32;
        let wanted = r % size;
        let shuffle = |place: u32| rjenkins3(bucket, self.x, bucket.id as u32, place) % (size - place);
        if wanted == 0 {
            return bucket.items[shuffle(0) as usize];
        }
        let order = &mut *self.permutation;
        order.clear();
        order.extend(0..size);
        for place in 0..=wanted {
            // The last place has nothing left to swap with.
            if place < size - 1 {
                order.swap(place as usize, (place + shuffle(place)) as usize);
            }
        }
        bucket.items[order[wanted as usize] as usize]
    }
}

/// The bucket's hash of three words; 0 for a hash that does not exist, as in Ceph.
#[inline]
fn rjenkins3(bucket: &Bucket, a: u32, b: u32, c: u32) -> u32 {
    if bucket.hash == 0 { hash::hash32_3(a, b, c) } else { 0 }
}

/// The bucket's hash of four words.
#[inline]
fn rjenkins4(bucket: &Bucket, a: u32, b: u32, c: u32, d: u32) -> u32 {
    if bucket.hash == 0 { hash::hash32_4(a, b, c, d) } else { 0 }
}

/// From the newest item back: each is taken with the share it has of all before it.
fn list(bucket: &Bucket, weights: &[u32], sums: &[u32], x: u32, r: u32) -> i32 {
    let newest_first = bucket.items.iter().zip(weights).zip(sums).rev();
    for ((item, weight), sum) in newest_first {
        let chance = u64::from(rjenkins4(bucket, x, *item as u32, r, bucket.id as u32) & 0xffff);
        if (chance * u64::from(*sum)) >> 16 < u64::from(*weight) {
            return *item;
        }
    }
    bucket.items[0]
}

/// Down the tree, to each side with its share.
fn tree(bucket: &Bucket, nodes: &[u32], x: u32, r: u32) -> i32 {
    let mut node = nodes.len() / 2;
    while node & 1 == 0 {
        let chance = u64::from(rjenkins4(bucket, x, node as u32, r, bucket.id as u32));
        let point = (chance * u64::from(nodes[node])) >> 32;
        let left = tree::left(node);
        node = if point < u64::from(nodes[left]) { left } else { tree::right(node) };
    }
    // A tree whose inner sums are wrong (a damaged map) can lead past its last leaf.
    bucket.items[(node / 2).min(bucket.items.len() - 1)]
}

/// The longest straw, each scaled by its item's length.
fn straw(bucket: &Bucket, straws: &[u32], x: u32, r: u32) -> i32 {
    let mut best = (0u64, bucket.items[0]);
    for (item, straw) in bucket.items.iter().zip(straws) {
        let chance = u64::from(rjenkins3(bucket, x, *item as u32, r) & 0xffff);
        let draw = chance * u64::from(*straw);
        if draw > best.0 {
            best = (draw, *item);
        }
    }
    best.1
}

/// The shortest exponential waiting time, as the largest `ln(u) / weight` in Ceph's fixed point. Ties go to the
/// first item.
fn straw2(bucket: &Bucket, own: &[u32], arg: Option<&ChooseArg>, x: u32, r: u32, position: usize) -> i32 {
    let mut weights = own;
    let mut ids = bucket.items.as_slice();
    if let Some(arg) = arg {
        if let Some(set) = arg.weight_set.get(position).or(arg.weight_set.last()) {
            weights = set;
        }
        if !arg.ids.is_empty() {
            ids = &arg.ids;
        }
    }
    let scan = Scan { x, r, rjenkins: bucket.hash == 0 };
    let winner = if weights.iter().all(|weight| *weight <= i32::MAX as u32) {
        scan.shortest_wait(ids, weights)
    } else {
        scan.signed(ids, weights)
    };
    bucket.items[winner.min(bucket.items.len() - 1)]
}
