//! Additions and doublings of whole arrays, which the compiler turns into vectors on every target.
//!
//! A row is worked off bit by bit from the highest (Horner's rule): double what there is, add the sources whose
//! coefficient has the bit. That is at most seven doublings a row, however many sources there are.

use super::{Job, Mode};
use crate::gf::REDUCTION;

/// Bytes at a time: enough that the tests of bits cost little beside the work, few enough to stay in registers.
const BLOCK: usize = 128;

pub(super) fn run(job: Job<'_, '_>) {
    let rows = job.coefficients.chunks(job.sources.len());
    for (row, output) in rows.zip(job.outputs) {
        let output = &mut output[job.range.clone()];
        let (blocks, rest) = output.as_chunks_mut::<BLOCK>();
        let at_rest = job.range.start + blocks.len() * BLOCK;
        for (i, block) in blocks.iter_mut().enumerate() {
            let at = job.range.start + i * BLOCK;
            let sum = horner::<BLOCK>(row, |source| array(&job.sources[source][at..]));
            put(block, &sum, job.mode);
        }
        if !rest.is_empty() {
            let mut padded = [0; BLOCK];
            let sum = horner::<BLOCK>(row, |source| {
                padded[..rest.len()].copy_from_slice(&job.sources[source][at_rest..job.range.end]);
                padded
            });
            put(rest, &sum, job.mode);
        }
    }
}

/// The first `N` bytes.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("a whole block")
}

/// The sum of the row's products with the blocks that `source` gives.
#[inline(always)]
fn horner<const N: usize>(row: &[u8], mut source: impl FnMut(usize) -> [u8; N]) -> [u8; N] {
    let any = row.iter().fold(0, |any, coefficient| any | coefficient);
    let mut sum = [0; N];
    for bit in (0..8 - any.leading_zeros()).rev() {
        double(&mut sum);
        for (i, coefficient) in row.iter().enumerate() {
            if coefficient >> bit & 1 == 1 {
                let block = source(i);
                sum.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
            }
        }
    }
    sum
}

/// Twice each byte. No branch: the sign bit becomes a mask.
#[inline(always)]
fn double<const N: usize>(bytes: &mut [u8; N]) {
    for byte in bytes {
        let overflow = (*byte as i8 >> 7) as u8;
        *byte = (*byte << 1) ^ (overflow & REDUCTION);
    }
}

#[inline(always)]
fn put(output: &mut [u8], sum: &[u8], mode: Mode) {
    match mode {
        Mode::Replace => output.copy_from_slice(&sum[..output.len()]),
        Mode::Add => output.iter_mut().zip(sum).for_each(|(out, byte)| *out ^= byte),
    }
}
