//! A matrix of field elements: what turns chunks into other chunks.

/// Row by row; each row makes one chunk out of one chunk per column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    columns: usize,
    coefficients: Vec<u8>,
}

impl Matrix {
    /// All zero.
    pub(crate) fn zero(rows: usize, columns: usize) -> Matrix {
        Matrix { columns, coefficients: vec![0; rows * columns] }
    }

    /// Each coefficient from its row and column.
    pub(crate) fn from_fn(rows: usize, columns: usize, f: impl Fn(usize, usize) -> u8) -> Matrix {
        let mut matrix = Matrix::zero(rows, columns);
        for row in 0..rows {
            for column in 0..columns {
                matrix.row_mut(row)[column] = f(row, column);
            }
        }
        matrix
    }

    pub(crate) fn rows(&self) -> usize {
        self.coefficients.len().checked_div(self.columns).unwrap_or(0)
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn row(&self, row: usize) -> &[u8] {
        &self.coefficients[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [u8] {
        &mut self.coefficients[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn at(&self, row: usize, column: usize) -> u8 {
        self.row(row)[column]
    }

    /// The coefficients of `rows`, one row after the other.
    pub(crate) fn coefficients(&self, rows: std::ops::Range<usize>) -> &[u8] {
        &self.coefficients[rows.start * self.columns..rows.end * self.columns]
    }

    /// Only these rows and columns, in this order.
    pub(crate) fn select(&self, rows: &[usize], columns: &[usize]) -> Matrix {
        Matrix::from_fn(rows.len(), columns.len(), |r, c| self.at(rows[r], columns[c]))
    }
}
