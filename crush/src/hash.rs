//! Robert Jenkins' hashes as Ceph uses them: of integers inside CRUSH, of strings for object names.
//!
//! Source: <http://burtleburtle.net/bob/hash/evahash.html>; Ceph fixes the seed and the padding words.

/// Every integer hash starts from this word (Ceph's `crush_hash_seed`).
const SEED: u32 = 1_315_423_911;
/// The two padding words that stand where an argument is missing.
const PAD_X: u32 = 231_232;
const PAD_Y: u32 = 1_232;
/// The golden ratio, the string hash's arbitrary start.
const GOLDEN: u32 = 0x9e37_79b9;

/// Jenkins' 96-bit mix: every bit of `a`, `b`, `c` comes to depend on every other.
#[inline(always)]
fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    *a = a.wrapping_sub(*b).wrapping_sub(*c) ^ (*c >> 13);
    *b = b.wrapping_sub(*c).wrapping_sub(*a) ^ (*a << 8);
    *c = c.wrapping_sub(*a).wrapping_sub(*b) ^ (*b >> 13);
    *a = a.wrapping_sub(*b).wrapping_sub(*c) ^ (*c >> 12);
    *b = b.wrapping_sub(*c).wrapping_sub(*a) ^ (*a << 16);
    *c = c.wrapping_sub(*a).wrapping_sub(*b) ^ (*b >> 5);
    *a = a.wrapping_sub(*b).wrapping_sub(*c) ^ (*c >> 3);
    *b = b.wrapping_sub(*c).wrapping_sub(*a) ^ (*a << 10);
    *c = c.wrapping_sub(*a).wrapping_sub(*b) ^ (*b >> 15);
}

/// rjenkins1 of one word.
#[must_use]
pub fn hash32_1(a: u32) -> u32 {
    let (mut a, mut b, mut x, mut y) = (a, a, PAD_X, PAD_Y);
    let mut hash = SEED ^ a;
    mix(&mut b, &mut x, &mut hash);
    mix(&mut y, &mut a, &mut hash);
    hash
}

/// rjenkins1 of two words.
#[must_use]
#[inline]
pub fn hash32_2(a: u32, b: u32) -> u32 {
    let (mut a, mut b, mut x, mut y) = (a, b, PAD_X, PAD_Y);
    let mut hash = SEED ^ a ^ b;
    mix(&mut a, &mut b, &mut hash);
    mix(&mut x, &mut a, &mut hash);
    mix(&mut b, &mut y, &mut hash);
    hash
}

/// rjenkins1 of three words.
#[must_use]
#[inline(always)]
pub fn hash32_3(a: u32, b: u32, c: u32) -> u32 {
    let (mut a, mut b, mut c, mut x, mut y) = (a, b, c, PAD_X, PAD_Y);
    let mut hash = SEED ^ a ^ b ^ c;
    mix(&mut a, &mut b, &mut hash);
    mix(&mut c, &mut x, &mut hash);
    mix(&mut y, &mut a, &mut hash);
    mix(&mut b, &mut x, &mut hash);
    mix(&mut y, &mut c, &mut hash);
    hash
}

/// rjenkins1 of four words.
#[must_use]
#[inline]
pub fn hash32_4(a: u32, b: u32, c: u32, d: u32) -> u32 {
    let (mut a, mut b, mut c, mut d, mut x, mut y) = (a, b, c, d, PAD_X, PAD_Y);
    let mut hash = SEED ^ a ^ b ^ c ^ d;
    mix(&mut a, &mut b, &mut hash);
    mix(&mut c, &mut d, &mut hash);
    mix(&mut a, &mut x, &mut hash);
    mix(&mut y, &mut b, &mut hash);
    mix(&mut c, &mut x, &mut hash);
    mix(&mut y, &mut d, &mut hash);
    hash
}

/// rjenkins1 of five words.
#[must_use]
pub fn hash32_5(a: u32, b: u32, c: u32, d: u32, e: u32) -> u32 {
    let (mut a, mut b, mut c, mut d, mut e, mut x, mut y) = (a, b, c, d, e, PAD_X, PAD_Y);
    let mut hash = SEED ^ a ^ b ^ c ^ d ^ e;
    mix(&mut a, &mut b, &mut hash);
    mix(&mut c, &mut d, &mut hash);
    mix(&mut e, &mut x, &mut hash);
    mix(&mut y, &mut a, &mut hash);
    mix(&mut b, &mut x, &mut hash);
    mix(&mut y, &mut c, &mut hash);
    mix(&mut d, &mut x, &mut hash);
    mix(&mut y, &mut e, &mut hash);
    hash
}

/// Ceph's object name hash (`ceph_str_hash_rjenkins`), the default `object_hash` of every pool.
#[must_use]
pub fn str_hash_rjenkins(name: &[u8]) -> u32 {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
    let (mut a, mut b, mut c) = (GOLDEN, GOLDEN, 0u32);
    let mut blocks = name.chunks_exact(12);
    for block in &mut blocks {
        a = a.wrapping_add(word(&block[0..4]));
        b = b.wrapping_add(word(&block[4..8]));
        c = c.wrapping_add(word(&block[8..12]));
        mix(&mut a, &mut b, &mut c);
    }
    let rest = blocks.remainder();
    let part = |from: usize, to: usize| word(&rest[from.min(rest.len())..to.min(rest.len())]);
    // The length takes the low byte of `c`, so the last bytes sit one higher. Lengths wrap at 2^32 as in Ceph.
    c = c.wrapping_add(name.len() as u32);
    a = a.wrapping_add(part(0, 4));
    b = b.wrapping_add(part(4, 8));
    c = c.wrapping_add(part(8, 11) << 8);
    mix(&mut a, &mut b, &mut c);
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Raw hashes that a live Ceph 16.2.15 monitor printed for `osd map` (see tests/vectors/PROVENANCE).
    #[test]
    fn object_names_hash_as_a_live_monitor_says() {
        let golden = include_str!("../tests/vectors/live.rawhash.tsv");
        let mut seen = 0;
        for line in golden.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let mut key = columns[1].as_bytes().to_vec();
            if !key.is_empty() {
                key.push(0x1f); // the separator between a namespace and a name
            }
            key.extend_from_slice(columns[0].as_bytes());
            let raw = columns[2].split_once('.').expect("pool.hash").1;
            assert_eq!(format!("{:x}", str_hash_rjenkins(&key)), raw, "{line}");
            seen += 1;
        }
        assert!(seen > 3);
    }
}
