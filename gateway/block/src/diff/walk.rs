//! An image from its start to its end, as runs of bytes and of zeros, without what is known not to be there.

use crate::error::BlockError;
use crate::image::{Image, ReadExtent};
use crate::snapshot::Snapshot;
use bytes::Bytes;
use gateway_client::Rados;

/// Read at once: some objects, so that their OSDs work at the same time.
const WINDOW_BYTES: u64 = 16 << 20;
/// Zeros are told from data by blocks of this size.
const BLOCK_BYTES: u64 = 4096;

/// A part of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// Bytes at an offset, up to 4 MiB.
    Data(u64, Bytes),
    /// So many zeros at an offset.
    Zero(u64, u64),
}

/// Cuts data into runs that are zeros and runs that are not, at whole blocks of the image.
pub fn split_zeros(offset: u64, data: Bytes, mut each: impl FnMut(Run)) {
    let is_zero = |part: &[u8]| part.iter().all(|b| *b == 0);
    let (mut begin, mut kind) = (0, None);
    let mut at = 0;
    let mut emit = |from: usize, to: usize, zero: bool| {
        let place = offset + from as u64;
        match (to - from, zero) {
            (0, _) => {}
            (len, true) => each(Run::Zero(place, len as u64)),
            (_, false) => each(Run::Data(place, data.slice(from..to))),
        }
    };
    while at < data.len() {
        let room = BLOCK_BYTES - (offset + at as u64) % BLOCK_BYTES;
        let end = data.len().min(at + room as usize);
        let zero = is_zero(&data[at..end]);
        if kind.is_some_and(|kind| kind != zero) {
            emit(begin, at, !zero);
            begin = at;
        }
        kind = Some(zero);
        at = end;
    }
    if let Some(zero) = kind {
        emit(begin, at, zero);
    }
}

impl<R: Rados> Image<R> {
    /// Gives `each` what is stored in the image, in order; with `since` what changed since that snapshot of it, zeros
    /// too. `progress` is told how far it is. Holds 16 MiB at most.
    pub async fn walk<E: From<BlockError>>(
        &self,
        since: Option<&Snapshot>,
        mut each: impl AsyncFnMut(Run) -> Result<(), E>,
        mut progress: impl FnMut(u64),
    ) -> Result<(), E> {
        let (mut at, size) = (0, self.size());
        while at < size {
            let spans: Vec<(u64, bool)> = match since {
                Some(since) => {
                    self.changes(since, at, size - at).await?.iter().map(|s| (s.len, s.changed)).collect()
                }
                None => self.extents(at, size - at, false).await?.iter().map(|e| (e.len, !e.hole)).collect(),
            };
            for (len, wanted) in spans {
                let end = at + len;
                while wanted && at < end {
                    let len = (end - at).min(WINDOW_BYTES - at % WINDOW_BYTES);
                    for run in self.runs(at, len).await? {
                        each(run).await?;
                    }
                    at += len;
                    progress(at);
                }
                at = end;
            }
            progress(at);
        }
        Ok(())
    }

    async fn runs(&self, offset: u64, len: u64) -> Result<Vec<Run>, BlockError> {
        let (mut all, mut at) = (Vec::new(), offset);
        for extent in self.read(offset, len).await? {
            let len = extent.len();
            match extent {
                ReadExtent::Hole(len) => push(&mut all, Run::Zero(at, len)),
                ReadExtent::Data(data) => split_zeros(at, data, |run| push(&mut all, run)),
            }
            at += len;
        }
        Ok(all)
    }
}

/// Appends a run, joined with zeros before it.
fn push(all: &mut Vec<Run>, next: Run) {
    match (all.last_mut(), &next) {
        (_, Run::Zero(_, 0)) => {}
        (Some(Run::Zero(_, len)), Run::Zero(_, more)) => *len += more,
        _ => all.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(offset: u64, data: &[u8]) -> Vec<(u64, u64, bool)> {
        let mut all = Vec::new();
        split_zeros(offset, Bytes::copy_from_slice(data), |run| {
            all.push(match run {
                Run::Data(at, data) => (at, data.len() as u64, true),
                Run::Zero(at, len) => (at, len, false),
            });
        });
        all
    }

    #[test]
    fn zeros_are_told_apart_by_whole_blocks() {
        let mut data = vec![0; 5 * 4096];
        assert_eq!(runs(4096, &data), [(4096, 5 * 4096, false)]);
        data[4096 + 7] = 1;
        assert_eq!(runs(0, &data), [(0, 4096, false), (4096, 4096, true), (8192, 3 * 4096, false)]);
        // Blocks are those of the image, not of what was read.
        assert_eq!(runs(4000, &data[..4200]), [(4000, 96, false), (4096, 4096, true), (8192, 8, false)]);
        assert_eq!(runs(0, &[]), []);
    }
}
