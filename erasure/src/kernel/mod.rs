//! The inner loops: output r is the sum over c of coefficient (r, c) times source c, byte by byte.
//!
//! Every kernel gives the same bytes; [`scalar`] says which, the others are tested against it. On aarch64 the portable
//! kernel serves.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_gfni;
#[cfg(target_arch = "x86_64")]
mod avx512_gfni;
#[cfg(test)]
mod kernel_test;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod portable;
mod scalar;

use crate::ChunkSet;
use crate::matrix::Matrix;
use std::fmt;
use std::ops::Range;

/// The most sources of one combination.
const SOURCES_MAX: usize = ChunkSet::POSITIONS_MAX;

/// Bytes of each chunk that are worked on before the next ones, when the sources are read once for each group of rows:
/// the second group then finds them in the cache.
const BLOCK_BYTES: usize = 4 << 10;

/// The kernels, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KernelKind {
    /// 64 bytes at a time, multiplied as bit matrices (Ice Lake, Zen 4 and later).
    Avx512Gfni,
    /// 32 bytes at a time, multiplied as bit matrices (Alder Lake and later).
    Avx2Gfni,
    /// 32 bytes at a time, multiplied by two table look-ups of 16 entries each (Haswell, Zen and later).
    Avx2,
    /// Plain arrays, which the compiler turns into whatever vectors the target has.
    Portable,
    /// Byte by byte, as the code is defined.
    Scalar,
}

impl KernelKind {
    /// All kinds, the best first.
    pub const ALL: [KernelKind; 5] = [
        KernelKind::Avx512Gfni,
        KernelKind::Avx2Gfni,
        KernelKind::Avx2,
        KernelKind::Portable,
        KernelKind::Scalar,
    ];
}

impl fmt::Display for KernelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KernelKind::Avx512Gfni => "avx512-gfni",
            KernelKind::Avx2Gfni => "avx2-gfni",
            KernelKind::Avx2 => "avx2",
            KernelKind::Portable => "portable",
            KernelKind::Scalar => "scalar",
        })
    }
}

/// A kernel that this processor can run: having one is the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(KernelKind);

impl Kernel {
    /// The kernel of this kind, if the processor has what it takes.
    pub fn of(kind: KernelKind) -> Option<Kernel> {
        runs_here(kind).then_some(Kernel(kind))
    }

    /// The best that this processor can run.
    pub fn best() -> Kernel {
        KernelKind::ALL.into_iter().find_map(Kernel::of).expect("the scalar kernel runs everywhere")
    }

    /// All that this processor can run, the best first.
    pub fn all() -> impl Iterator<Item = Kernel> {
        KernelKind::ALL.into_iter().filter_map(Kernel::of)
    }

    /// Which it is.
    pub fn kind(self) -> KernelKind {
        self.0
    }

    /// How many outputs it makes in one reading of the sources: as many as it has registers for.
    fn rows_max(self) -> usize {
        match self.0 {
            KernelKind::Avx512Gfni => 6,
            KernelKind::Avx2Gfni | KernelKind::Avx2 => 4,
            KernelKind::Portable | KernelKind::Scalar => 16,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn runs_here(kind: KernelKind) -> bool {
    match kind {
        KernelKind::Avx512Gfni => {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("gfni")
        }
        KernelKind::Avx2Gfni => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("gfni"),
        KernelKind::Avx2 => is_x86_feature_detected!("avx2"),
        KernelKind::Portable | KernelKind::Scalar => true,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn runs_here(kind: KernelKind) -> bool {
    matches!(kind, KernelKind::Portable | KernelKind::Scalar)
}

/// What becomes of what stands in the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is overwritten.
    Replace,
    /// It is added to.
    Add,
}

/// Some rows of a combination, over one range of the chunks.
struct Job<'a, 'b> {
    /// Row after row; as many columns as sources.
    coefficients: &'a [u8],
    sources: &'a [&'a [u8]],
    outputs: &'a mut [&'b mut [u8]],
    range: Range<usize>,
    mode: Mode,
}

/// Makes the bytes `range` of `outputs` from the same bytes of `sources`: output r by row r of `matrix`.
pub(crate) fn combine(
    kernel: Kernel,
    matrix: &Matrix,
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    range: Range<usize>,
    mode: Mode,
) {
    assert_eq!(matrix.columns(), sources.len(), "a column for each source");
    assert_eq!(matrix.rows(), outputs.len(), "a row for each output");
    assert!(sources.len() <= SOURCES_MAX, "{} sources", sources.len());
    // The vector kernels go by pointers from here on: this is what makes them safe.
    let fits = range.start <= range.end
        && sources.iter().all(|source| source.len() >= range.end)
        && outputs.iter().all(|output| output.len() >= range.end);
    assert!(fits, "the range {range:?} in every chunk");
    let groups = outputs.len().div_ceil(kernel.rows_max());
    if groups == 0 {
        return;
    }
    let rows_each = outputs.len().div_ceil(groups);
    let block = if groups == 1 { range.len().max(1) } else { BLOCK_BYTES };
    for start in range.clone().step_by(block) {
        for (group, outputs) in outputs.chunks_mut(rows_each).enumerate() {
            let rows = group * rows_each..group * rows_each + outputs.len();
            let coefficients = matrix.coefficients(rows);
            run(
                kernel,
                Job { coefficients, sources, outputs, range: start..range.end.min(start + block), mode },
            );
        }
    }
}

fn run(kernel: Kernel, job: Job<'_, '_>) {
    match kernel.0 {
        // SAFETY: a `Kernel` of this kind exists only where the processor has these features, and `combine` has seen to
        // it that the range is in every chunk.
        #[cfg(target_arch = "x86_64")]
        KernelKind::Avx512Gfni => unsafe { avx512_gfni::run(job) },
        // SAFETY: the same.
        #[cfg(target_arch = "x86_64")]
        KernelKind::Avx2Gfni => unsafe { avx2_gfni::run(job) },
        // SAFETY: the same.
        #[cfg(target_arch = "x86_64")]
        KernelKind::Avx2 => unsafe { avx2::run(job) },
        KernelKind::Scalar => scalar::run(job),
        // Where there are no other kernels, no `Kernel` of their kinds exists.
        _ => portable::run(job),
    }
}
