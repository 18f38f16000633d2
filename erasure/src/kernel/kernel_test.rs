//! Every kernel gives what the scalar one gives: all coefficients, odd lengths, odd addresses, any number of rows.

use super::*;
use stdx::Rng;

/// The kernels to compare with the scalar one.
fn others() -> impl Iterator<Item = Kernel> {
    Kernel::all().filter(|kernel| kernel.kind() != KernelKind::Scalar)
}

/// Chunks of one random combination, each at an address of its own.
struct Case {
    matrix: Matrix,
    sources: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    /// How far each chunk stands from an aligned address.
    shifts: Vec<usize>,
    range: Range<usize>,
    mode: Mode,
}

impl Case {
    fn random(rng: &mut Rng, rows: usize, columns: usize, len: usize) -> Case {
        let mut matrix = Matrix::zero(rows, columns);
        (0..rows).for_each(|row| rng.fill(matrix.row_mut(row)));
        let start = rng.below(len as u64 / 2 + 1) as usize;
        let end = len - rng.below((len - start) as u64 / 2 + 1) as usize;
        let mut chunks = |n: usize| -> Vec<Vec<u8>> {
            (0..n)
                .map(|_| {
                    let mut bytes = vec![0; len + 64];
                    rng.fill(&mut bytes);
                    bytes
                })
                .collect()
        };
        let (sources, outputs) = (chunks(columns), chunks(rows));
        let shifts = (0..columns + rows).map(|_| rng.below(64) as usize).collect();
        let mode = if rng.chance(1, 2) { Mode::Add } else { Mode::Replace };
        Case { matrix, sources, outputs, shifts, range: start..end, mode }
    }

    /// All bytes of all outputs, those around the range too.
    fn run(&self, kernel: Kernel) -> Vec<Vec<u8>> {
        let mut outputs = self.outputs.clone();
        let len = outputs[0].len() - 64;
        let (of_sources, of_outputs) = self.shifts.split_at(self.sources.len());
        let sources: Vec<&[u8]> =
            self.sources.iter().zip(of_sources).map(|(chunk, shift)| &chunk[*shift..shift + len]).collect();
        let mut views: Vec<&mut [u8]> = outputs
            .iter_mut()
            .zip(of_outputs)
            .map(|(chunk, shift)| &mut chunk[*shift..shift + len])
            .collect();
        combine(kernel, &self.matrix, &sources, &mut views, self.range.clone(), self.mode);
        outputs
    }

    fn compare(&self) {
        let expected = self.run(Kernel(KernelKind::Scalar));
        for kernel in others() {
            assert!(
                self.run(kernel) == expected,
                "{} differs: {}x{}, {:?} at {:?}",
                kernel.kind(),
                self.matrix.rows(),
                self.matrix.columns(),
                self.range,
                self.shifts
            );
        }
    }
}

#[test]
fn all_coefficients_times_all_bytes() {
    let bytes: Vec<u8> = (0..=255).collect();
    for coefficient in 0..=255u8 {
        // Twice the same row, so that a row of ones does not take its short cut alone.
        for rows in [1, 2] {
            let matrix = Matrix::from_fn(rows, 1, |_, _| coefficient);
            for kernel in Kernel::all() {
                let mut outputs = vec![vec![0xa5; 256]; rows];
                let mut views: Vec<&mut [u8]> = outputs.iter_mut().map(|out| &mut **out).collect();
                combine(kernel, &matrix, &[&bytes], &mut views, 0..256, Mode::Replace);
                let expected: Vec<u8> = bytes.iter().map(|byte| crate::gf::mul(coefficient, *byte)).collect();
                assert!(outputs.iter().all(|out| *out == expected), "{} * {coefficient}", kernel.kind());
            }
        }
    }
}

#[test]
fn every_length_at_every_alignment() {
    let rng = &mut Rng::new(1);
    for len in 0..300 {
        Case::random(rng, 1 + len % 7, 1 + len % 5, len).compare();
    }
}

#[test]
fn every_number_of_rows_and_columns() {
    let rng = &mut Rng::new(2);
    for rows in 1..=17 {
        for columns in [1, 2, 3, 4, 8, 12, 31, 32, 48, 64] {
            let len = 1 + rng.below(700) as usize;
            Case::random(rng, rows, columns, len).compare();
        }
    }
}

#[test]
fn rows_of_ones_and_of_zeros() {
    let rng = &mut Rng::new(3);
    for value in [0, 1] {
        for rows in 1..=3 {
            let mut case = Case::random(rng, rows, 9, 1000);
            case.matrix = Matrix::from_fn(rows, 9, |_, _| value);
            case.compare();
        }
    }
}

#[test]
fn several_blocks_of_several_groups() {
    let rng = &mut Rng::new(4);
    for rows in [2, 4, 5, 7, 16] {
        Case::random(rng, rows, 5, 3 * BLOCK_BYTES + 77).compare();
    }
}

#[test]
fn the_best_is_the_first_that_runs() {
    assert_eq!(Some(Kernel::best()), Kernel::all().next());
    assert_eq!(Kernel::all().last().map(Kernel::kind), Some(KernelKind::Scalar));
}
