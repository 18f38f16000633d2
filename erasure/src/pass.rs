//! One pass over the chunks of a stripe: some are combined into others, and checksums are taken while they are hot.

use crate::kernel::{self, Mode};
use crate::matrix::Matrix;
use crate::{ChunkError, Kernel};
use crc_fast::{CrcAlgorithm, Digest};

/// Bytes of each chunk that are summed and combined before the next ones. With 6 to 16 chunks a block is in the second
/// level cache of every processor of the last ten years; smaller ones cost more in calls than they save.
const BLOCK_BYTES: usize = 8 << 10;

/// The common length of the chunks.
pub(crate) fn common_length<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<usize, ChunkError> {
    let mut lengths = chunks.into_iter().map(<[u8]>::len);
    let wanted = lengths.next().unwrap_or(0);
    if let Some(got) = lengths.find(|got| *got != wanted) {
        return Err(ChunkError::Length { wanted, got });
    }
    if wanted == 0 { Err(ChunkError::Empty) } else { Ok(wanted) }
}

/// Whether there are as many chunks as are needed.
pub(crate) fn check_count(what: &'static str, got: usize, wanted: usize) -> Result<(), ChunkError> {
    if got == wanted { Ok(()) } else { Err(ChunkError::Count { what, wanted, got }) }
}

/// Makes `outputs` from `sources` by `matrix`.
pub(crate) fn combine(
    kernel: Kernel,
    matrix: &Matrix,
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    mode: Mode,
) -> Result<(), ChunkError> {
    let chunks = sources.iter().copied().chain(outputs.iter().map(|out| &**out));
    let len = common_length(chunks)?;
    kernel::combine(kernel, matrix, sources, outputs, 0..len, mode);
    Ok(())
}

/// The same, and CRC32C of every `unit` bytes of the sources (if `of_sources`) and then of the outputs into `sums`: chunk
/// by chunk, the last unit of each may be shorter.
pub(crate) fn combine_summed(
    kernel: Kernel,
    matrix: &Matrix,
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    unit: usize,
    of_sources: bool,
    sums: &mut [u32],
) -> Result<(), ChunkError> {
    assert!(unit > 0, "a checksum of no bytes");
    let chunks = sources.iter().copied().chain(outputs.iter().map(|out| &**out));
    let len = common_length(chunks)?;
    let summed_sources = if of_sources { sources.len() } else { 0 };
    let units = len.div_ceil(unit);
    check_count("checksums", sums.len(), (summed_sources + outputs.len()) * units)?;
    let mut summers: Vec<Summer<'_>> = sums.chunks_mut(units).map(|sums| Summer::new(unit, sums)).collect();
    let (of_data, of_outputs) = summers.split_at_mut(summed_sources);
    for start in (0..len).step_by(BLOCK_BYTES) {
        let range = start..len.min(start + BLOCK_BYTES);
        for (summer, source) in of_data.iter_mut().zip(sources) {
            summer.update(&source[range.clone()]);
        }
        kernel::combine(kernel, matrix, sources, outputs, range.clone(), Mode::Replace);
        for (summer, output) in of_outputs.iter_mut().zip(&*outputs) {
            summer.update(&output[range.clone()]);
        }
    }
    summers.into_iter().for_each(Summer::finish);
    Ok(())
}

/// The checksums of one chunk, unit by unit, from pieces of any length.
struct Summer<'a> {
    unit: usize,
    /// Of the unit that is not complete.
    digest: Digest,
    filled: usize,
    sums: std::slice::IterMut<'a, u32>,
}

impl<'a> Summer<'a> {
    fn new(unit: usize, sums: &'a mut [u32]) -> Summer<'a> {
        Summer { unit, digest: Digest::new(CrcAlgorithm::Crc32Iscsi), filled: 0, sums: sums.iter_mut() }
    }

    fn update(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let (now, later) = piece.split_at(piece.len().min(self.unit - self.filled));
            piece = later;
            if now.len() == self.unit {
                self.put(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, now));
                continue;
            }
            self.digest.update(now);
            self.filled += now.len();
            if self.filled == self.unit {
                self.end_unit();
            }
        }
    }

    fn end_unit(&mut self) {
        let sum = self.digest.finalize_reset();
        self.filled = 0;
        self.put(sum);
    }

    fn put(&mut self, sum: u64) {
        *self.sums.next().expect("as many sums as units") = sum as u32;
    }

    fn finish(mut self) {
        if self.filled > 0 {
            self.end_unit();
        }
        assert!(self.sums.next().is_none(), "as many units as sums");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_summed_whatever_the_pieces() {
        let data: Vec<u8> = (0..10_000u32).map(|i| (i * 7 % 251) as u8).collect();
        for unit in [1, 100, 4096, 8192, 9_999, 10_000, 50_000] {
            let expected: Vec<u32> = data.chunks(unit).map(stdx::checksum::crc32c).collect();
            for piece in [1, 99, 4096, 10_000] {
                let mut sums = vec![0; expected.len()];
                let mut summer = Summer::new(unit, &mut sums);
                data.chunks(piece).for_each(|piece| summer.update(piece));
                summer.finish();
                assert_eq!(sums, expected, "unit {unit}, piece {piece}");
            }
        }
    }
}
