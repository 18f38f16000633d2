//! An erasure code at work: parity from data, and parity that follows an overwrite.

use crate::kernel::Mode;
use crate::layout::Layout;
use crate::matrix::Matrix;
use crate::{ChunkError, Kernel, Profile, Technique, generator, pass};

/// A code. Immutable; making one costs about as much as coding a few hundred KiB, so keep it.
///
/// The chunks of a stripe have *positions* `0..chunks`; a shard of a PG is the chunks of one position. Data chunks stand
/// at [`Code::data_positions`], parity chunks at [`Code::coding_positions`].
#[derive(Clone, Debug)]
pub struct Code {
    profile: Profile,
    kernel: Kernel,
    pub(crate) layout: Layout,
    /// A row for each coding position, a column for each data chunk.
    coding: Matrix,
}

impl Code {
    /// The code of a profile, with the best kernel of this processor.
    pub fn new(profile: Profile) -> Code {
        let (k, m) = (profile.k(), profile.m());
        let global = match profile.technique() {
            Technique::IsaVandermonde => generator::isa_vandermonde(k, m),
            Technique::IsaCauchy => generator::isa_cauchy(k, m),
            Technique::JerasureVandermonde | Technique::Local { .. } => generator::jerasure_vandermonde(k, m),
        };
        let layout = Layout::new(profile);
        let coding = coding_matrix(&layout, &global);
        Code { profile, kernel: Kernel::best(), layout, coding }
    }

    /// The same code with another kernel, for tests and measurements.
    pub fn with_kernel(self, kernel: Kernel) -> Code {
        Code { kernel, ..self }
    }

    /// Which code it is.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// How its bytes are multiplied.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Where the data chunks stand, in the order of the object's bytes.
    pub fn data_positions(&self) -> &[usize] {
        &self.layout.data
    }

    /// Where the parity chunks stand, ascending: the order in which [`Code::encode`] takes them.
    pub fn coding_positions(&self) -> &[usize] {
        &self.layout.coding
    }

    /// Fills `parity` (in the order of [`Code::coding_positions`]) from `data` (in the order of [`Code::data_positions`]).
    /// All chunks are equally long, at least one byte; any length will do.
    pub fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), ChunkError> {
        self.check_counts(data, parity)?;
        pass::combine(self.kernel, &self.coding, data, parity, Mode::Replace)
    }

    /// [`Code::encode`], and in the same pass the CRC32C of every `unit` bytes of every chunk: the data chunks in their
    /// order, then the parity chunks in theirs, for each the sums of its `ceil(length / unit)` units. `unit` is not 0.
    pub fn encode_with_crc32c(
        &self,
        data: &[&[u8]],
        parity: &mut [&mut [u8]],
        unit: usize,
        sums: &mut [u32],
    ) -> Result<(), ChunkError> {
        self.check_counts(data, parity)?;
        pass::combine_summed(self.kernel, &self.coding, data, parity, unit, true, sums)
    }

    /// What changed: `delta` = `old` + `new`. All equally long.
    pub fn delta(&self, old: &[u8], new: &[u8], delta: &mut [u8]) -> Result<(), ChunkError> {
        let sum = Matrix::from_fn(1, 2, |_, _| 1);
        pass::combine(self.kernel, &sum, &[old, new], &mut [delta], Mode::Replace)
    }

    /// Brings `parity` up to date after data chunks changed: adds each delta, multiplied as the code says. Pairs of a
    /// position and bytes; all of one range within the chunks, so equally long. Parity may be any of the parity chunks.
    pub fn add_deltas(
        &self,
        deltas: &[(usize, &[u8])],
        parity: &mut [(usize, &mut [u8])],
    ) -> Result<(), ChunkError> {
        let find = |places: &[usize], what, position| {
            places.iter().position(|p| *p == position).ok_or(ChunkError::Position { what, position })
        };
        let columns: Result<Vec<usize>, ChunkError> =
            deltas.iter().map(|(position, _)| find(&self.layout.data, "data", *position)).collect();
        let rows: Result<Vec<usize>, ChunkError> =
            parity.iter().map(|(position, _)| find(&self.layout.coding, "parity", *position)).collect();
        let (columns, rows) = (columns?, rows?);
        if columns.is_empty() || rows.is_empty() {
            return Ok(());
        }
        if columns.len() > self.profile.k() {
            return Err(ChunkError::Count { what: "deltas", wanted: self.profile.k(), got: columns.len() });
        }
        let matrix = self.coding.select(&rows, &columns);
        let sources: Vec<&[u8]> = deltas.iter().map(|(_, delta)| *delta).collect();
        let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(|(_, chunk)| &mut **chunk).collect();
        pass::combine(self.kernel, &matrix, &sources, &mut outputs, Mode::Add)
    }

    /// All chunks of one object as a single stripe, by position: what Ceph's plugin makes of it, padding included. Empty
    /// objects have no chunks.
    pub fn encode_object(&self, object: &[u8]) -> Vec<Vec<u8>> {
        let len =
            self.profile.chunk_bytes(object.len() as u64).expect("an object that is in memory") as usize;
        let mut chunks = vec![vec![0; len]; self.profile.chunks()];
        if len == 0 {
            return chunks;
        }
        for (position, share) in self.layout.data.iter().zip(object.chunks(len)) {
            chunks[*position][..share.len()].copy_from_slice(share);
        }
        let mut parity = vec![vec![0; len]; self.layout.coding.len()];
        let data: Vec<&[u8]> = self.layout.data.iter().map(|position| &*chunks[*position]).collect();
        let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(|chunk| &mut **chunk).collect();
        self.encode(&data, &mut outputs).expect("chunks made to fit");
        for (position, chunk) in self.layout.coding.iter().zip(parity) {
            chunks[*position] = chunk;
        }
        chunks
    }

    /// How the chunk at `position` follows from the data chunks.
    pub(crate) fn generator_row(&self, position: usize) -> Vec<u8> {
        match self.layout.coding.iter().position(|p| *p == position) {
            Some(row) => self.coding.row(row).to_vec(),
            None => self.layout.data.iter().map(|p| u8::from(*p == position)).collect(),
        }
    }

    fn check_counts(&self, data: &[&[u8]], parity: &[&mut [u8]]) -> Result<(), ChunkError> {
        pass::check_count("data chunks", data.len(), self.layout.data.len())?;
        pass::check_count("parity chunks", parity.len(), self.layout.coding.len())
    }
}

/// The rows of all parity chunks, by position: those of the plugin's matrix, and for a local parity the sum of its group.
fn coding_matrix(layout: &Layout, global: &Matrix) -> Matrix {
    let row_of = |position: usize| -> Vec<u8> {
        match layout.global.iter().position(|p| *p == position) {
            Some(row) => global.row(row).to_vec(),
            None => layout.data.iter().map(|p| u8::from(*p == position)).collect(),
        }
    };
    let mut coding = Matrix::zero(layout.coding.len(), layout.data.len());
    for (row, position) in layout.coding.iter().enumerate() {
        let summed: Vec<usize> = match layout.group_of(*position) {
            Some(group) if !layout.global.contains(position) => {
                group.iter().filter(|p| p != position).collect()
            }
            _ => vec![*position],
        };
        for member in summed {
            let values = row_of(member);
            coding.row_mut(row).iter_mut().zip(values).for_each(|(value, by)| *value ^= by);
        }
    }
    coding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChunkSet;

    #[test]
    fn stripes_without_parity_are_cut_and_nothing_lost_comes_back() {
        let code = Code::new(Profile::isa(3, 0).expect("there is such a code"));
        let object: Vec<u8> = (0..200).collect();
        let chunks = code.encode_object(&object);
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks.concat()[..200], object[..]);
        let data: Vec<&[u8]> = chunks.iter().map(|chunk| &chunk[..]).collect();
        assert_eq!(code.encode(&data, &mut []), Ok(()));
        let all = ChunkSet::first(3);
        assert_eq!(code.minimum_to_decode(all, all), Ok(all));
        let lost = ChunkSet::from_iter([1]);
        assert_eq!(code.plan(lost, all - lost).map_err(|e| e.missing), Err(lost));
    }
}
