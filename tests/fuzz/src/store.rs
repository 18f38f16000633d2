//! What lies on an OSD's device: log batches, superblocks, values of the index.

use crate::allocated::most_at_once;
use crate::targets::Outcome;
use stdx::Rng;
use store_under_test::harness::doors::{self, Door};

fn run(door: &Door, input: &[u8]) -> Result<Outcome, String> {
    let mut input = input.to_vec();
    (door.seal)(&mut input);
    let (decoded, allocated_bytes) = most_at_once(|| (door.decode)(&input));
    if let Some(decoded) = &decoded {
        decoded.judge(&input)?;
    }
    Ok(Outcome { accepted: decoded.is_some(), allocated_bytes })
}

pub(crate) fn sound_batch(rng: &mut Rng) -> Vec<u8> {
    (doors::BATCH.sound)(rng)
}
pub(crate) fn batch(input: &[u8]) -> Result<Outcome, String> {
    run(&doors::BATCH, input)
}

pub(crate) fn sound_superblock(rng: &mut Rng) -> Vec<u8> {
    (doors::SUPERBLOCK.sound)(rng)
}
pub(crate) fn superblock(input: &[u8]) -> Result<Outcome, String> {
    run(&doors::SUPERBLOCK, input)
}

pub(crate) fn sound_chunk(rng: &mut Rng) -> Vec<u8> {
    (doors::CHUNK.sound)(rng)
}
pub(crate) fn chunk(input: &[u8]) -> Result<Outcome, String> {
    run(&doors::CHUNK, input)
}

pub(crate) fn sound_object_row(rng: &mut Rng) -> Vec<u8> {
    (doors::OBJECT_ROW.sound)(rng)
}
pub(crate) fn object_row(input: &[u8]) -> Result<Outcome, String> {
    run(&doors::OBJECT_ROW, input)
}
