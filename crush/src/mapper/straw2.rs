//! The scan of a straw2 bucket, where a mapping spends its time: one hash and one comparison an item.
//!
//! Each item waits `-ln(u) / weight`, rounded down; the shortest wait wins, the first on a tie. Three things make
//! it fast and change no result: hashes are worked out in blocks that the compiler turns into vector code; an item
//! is divided only if it wins; and a logarithm is taken only if the item could win with the best of its kind.

use crate::hash::hash32_3;
use crate::ln::{FLOOR, LN_TOP, crush_ln};

/// Items hashed together.
const BLOCK: usize = 16;

/// What a scan hashes beside the ids.
pub(super) struct Scan {
    pub(super) x: u32,
    pub(super) r: u32,
    /// False for a hash that does not exist, which gives 0.
    pub(super) rjenkins: bool,
}

impl Scan {
    /// The position of the winner; 0 where nothing weighs anything. Weights are below 2^31.
    pub(super) fn shortest_wait(&self, ids: &[i32], weights: &[u32]) -> usize {
        let mut shortest = u64::MAX;
        let mut winner = 0;
        for (block, (ids, weights)) in ids.chunks(BLOCK).zip(weights.chunks(BLOCK)).enumerate() {
            let hashes = self.hashes(ids);
            for (lane, (hash, weight)) in hashes.iter().zip(weights).enumerate() {
                let u = hash & 0xffff;
                // floor(wait / weight) < shortest, without the division.
                let limit = shortest.saturating_mul(u64::from(*weight));
                if FLOOR[(u >> 8) as usize] >= limit {
                    continue;
                }
                let wait = LN_TOP - crush_ln(u);
                if wait < limit {
                    shortest = wait / u64::from(*weight);
                    winner = block * BLOCK + lane;
                }
            }
        }
        winner
    }

    /// The same with Ceph's reading of weights as signed numbers: from 32768 on an item always wins. No sane map
    /// has such weights, and `validate` refuses them.
    pub(super) fn signed(&self, ids: &[i32], weights: &[u32]) -> usize {
        let mut longest = i64::MIN;
        let mut winner = 0;
        for (position, (id, weight)) in ids.iter().zip(weights).enumerate() {
            if *weight == 0 {
                continue;
            }
            let u = if self.rjenkins { hash32_3(self.x, *id as u32, self.r) & 0xffff } else { 0 };
            let draw = (crush_ln(u) as i64 - LN_TOP as i64) / i64::from(*weight as i32);
            if draw > longest {
                longest = draw;
                winner = position;
            }
        }
        winner
    }

    /// The hashes of at most [`BLOCK`] ids, whatever stands past them.
    #[inline]
    fn hashes(&self, ids: &[i32]) -> [u32; BLOCK] {
        let mut hashes = [0; BLOCK];
        if self.rjenkins {
            for (hash, id) in hashes.iter_mut().zip(ids) {
                *hash = *id as u32;
            }
            hash_block(self.x, &mut hashes, self.r);
        }
        hashes
    }
}

/// Replaces each id by `hash32_3(x, id, r)`, with the widest vectors this processor has. The result does not depend
/// on them.
#[inline]
fn hash_block(x: u32, ids: &mut [u32; BLOCK], r: u32) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as just asked, which is all that the function needs.
        unsafe { hash_block_avx2(x, ids, r) };
        return;
    }
    hash_block_any(x, ids, r);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn hash_block_avx2(x: u32, ids: &mut [u32; BLOCK], r: u32) {
    hash_block_any(x, ids, r);
}

#[inline(always)]
fn hash_block_any(x: u32, ids: &mut [u32; BLOCK], r: u32) {
    for id in ids {
        *id = hash32_3(x, *id, r);
    }
}
