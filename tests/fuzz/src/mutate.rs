//! Mutations of binary input: what breaks decoders are counts, lengths and ids, so numbers are changed as numbers.

use stdx::Rng;

/// Numbers at the edges of what fields hold.
const EDGES: [u32; 16] = [
    0,
    1,
    2,
    3,
    0x7f,
    0xff,
    0x100,
    0xffff,
    0x1_0000,
    0x10_0000,
    0x0100_0000,
    0x4000_0000,
    0x7fff_fffe,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];
/// Inputs do not grow beyond this, so that a case stays short.
const BYTES_MAX: usize = 1 << 16;

/// Changes a few places of `bytes`; `other` is another sound input to take parts from.
pub(crate) fn bytes(mut bytes: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    // Sound input now and then, so that what is accepted is judged too.
    for _ in 0..rng.below(6) {
        one(&mut bytes, other, rng);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn place(len: usize, rng: &mut Rng) -> usize {
    let at = rng.below(len as u64 + 1) as usize;
    // Half of them where a number is likely to begin.
    if rng.chance(1, 2) { at & !3 } else { at }
}

fn range(len: usize, rng: &mut Rng) -> std::ops::Range<usize> {
    let from = place(len, rng);
    from..len.min(from + 1 + rng.below(64) as usize)
}

fn one(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    match rng.below(10) {
        0 => bytes.truncate(place(bytes.len(), rng)),
        1 => {
            let range = range(bytes.len(), rng);
            bytes.drain(range);
        }
        2 => {
            let part = bytes[range(bytes.len(), rng)].to_vec();
            let at = place(bytes.len(), rng);
            bytes.splice(at..at, part);
        }
        3 => {
            let part = other[range(other.len(), rng)].to_vec();
            let range = range(bytes.len(), rng);
            bytes.splice(range, part);
        }
        4 => {
            let at = place(bytes.len(), rng);
            let tail = place(other.len(), rng);
            bytes.splice(at.., other[tail..].iter().copied());
        }
        5 => {
            let at = place(bytes.len(), rng);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
        6 => {
            let range = range(bytes.len(), rng);
            rng.fill(&mut bytes[range]);
        }
        _ => {
            // A number becomes another: an edge, a neighbour, or what the input's length suggests.
            let at = place(bytes.len(), rng);
            let len = bytes.len() as u32;
            let Some(word) = bytes.get_mut(at..at + 4) else { return };
            let old = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            let new = match rng.below(5) {
                0 => old.wrapping_add(1),
                1 => old.wrapping_sub(1),
                2 => len / 4,
                _ => EDGES[rng.below(EDGES.len() as u64) as usize],
            };
            word.copy_from_slice(&new.to_le_bytes());
        }
    }
}
