//! The coding matrices of Ceph's plugins. Each row makes one parity chunk of the k data chunks.

use crate::basis::Basis;
use crate::gf::{inv, mul};
use crate::matrix::Matrix;

/// ISA-L's Vandermonde matrix (`gf_gen_rs_matrix`): row i is 1, g, g^2, ... with g = 2^i. The same as RAID-6 for m = 2.
/// Not every choice of rows can be inverted for m > 3, hence the limits in `profile.rs`.
pub(crate) fn isa_vandermonde(k: usize, m: usize) -> Matrix {
    let mut matrix = Matrix::zero(m, k);
    let mut generator = 1;
    for row in 0..m {
        let mut power = 1;
        for value in matrix.row_mut(row) {
            *value = power;
            power = mul(power, generator);
        }
        generator = mul(generator, 2);
    }
    matrix
}

/// ISA-L's Cauchy matrix (`gf_gen_cauchy1_matrix`): 1 / (i + j) for row i, counted from k, and column j. With one parity
/// chunk Ceph's plugin does not look at the matrix: it takes the plain sum.
pub(crate) fn isa_cauchy(k: usize, m: usize) -> Matrix {
    if m == 1 {
        return Matrix::from_fn(1, k, |_, _| 1);
    }
    Matrix::from_fn(m, k, |row, column| inv((k + row) as u8 ^ column as u8))
}

/// jerasure's systematic Vandermonde matrix (`reed_sol_vandermonde_coding_matrix`, w = 8), after Plank and Ding, "Note:
/// Correction to the 1997 tutorial on Reed-Solomon coding" (2003).
///
/// The extended Vandermonde matrix has k + m rows: 1, i, i^2, ... for row i, but (0, ..., 0, 1) for the last. Column
/// operations turn its first k rows into the identity; they are one matrix (the inverse of those rows), so the coding
/// rows are what they must be multiplied by to give the lower rows. Then columns are scaled so that the first coding row
/// is all ones, and the other rows so that they begin with one.
pub(crate) fn jerasure_vandermonde(k: usize, m: usize) -> Matrix {
    let extended = |row: usize| -> Vec<u8> {
        if row + 1 == k + m {
            return (0..k).map(|column| u8::from(column + 1 == k)).collect();
        }
        let powers = std::iter::successors(Some(1), |power| Some(mul(*power, row as u8)));
        powers.take(k).collect()
    };
    let mut top = Basis::default();
    for row in 0..k {
        assert!(top.add(row, &extended(row)), "rows of a Vandermonde matrix do not follow from each other");
    }
    let mut matrix = Matrix::zero(m, k);
    for row in 0..m {
        let made_of = top.solve(&extended(k + row)).expect("k rows that span everything");
        matrix.row_mut(row).copy_from_slice(&made_of[..k]);
    }
    for column in 0..k {
        let scale = inv(matrix.at(0, column));
        (0..m).for_each(|row| matrix.row_mut(row)[column] = mul(matrix.at(row, column), scale));
    }
    for row in 1..m {
        let scale = inv(matrix.at(row, 0));
        matrix.row_mut(row).iter_mut().for_each(|value| *value = mul(*value, scale));
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_small_matrices() {
        let van = isa_vandermonde(5, 3);
        assert_eq!(van.row(0), [1, 1, 1, 1, 1]);
        assert_eq!(van.row(1), [1, 2, 4, 8, 16]);
        assert_eq!(van.row(2), [1, 4, 16, 64, 0x1d]);
        // 1 / (4 + 0), 1 / (4 + 1), ...
        assert_eq!(isa_cauchy(4, 2).row(0), [inv(4), inv(5), inv(6), inv(7)]);
        assert_eq!(isa_cauchy(4, 1).row(0), [1, 1, 1, 1]);
        assert_eq!(jerasure_vandermonde(3, 1).row(0), [1, 1, 1]);
        let jerasure = jerasure_vandermonde(5, 3);
        assert_eq!(jerasure.row(0), [1, 1, 1, 1, 1]);
        assert!((1..3).all(|row| jerasure.at(row, 0) == 1));
    }
}
