//! Which rows follow from which: Gaussian elimination that remembers how each row was put together.

use crate::ChunkSet;
use crate::gf::{inv, mul};

/// How many chunks a combination can name.
const POSITIONS: usize = ChunkSet::POSITIONS_MAX;

/// For each position the factor of its chunk.
pub(crate) type Combination = [u8; POSITIONS];

/// Rows that do not follow from each other, in echelon form, each with the combination of chunks that gives it.
#[derive(Default)]
pub(crate) struct Basis {
    rows: Vec<Row>,
}

struct Row {
    /// Where it is 1; all rows after it are 0 there.
    pivot: usize,
    values: Vec<u8>,
    made_of: Combination,
}

impl Basis {
    /// How many rows are in it.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes in the row of the chunk at `position`, unless it follows from the others. Says whether it was taken.
    pub(crate) fn add(&mut self, position: usize, row: &[u8]) -> bool {
        let mut made_of = [0; POSITIONS];
        made_of[position] = 1;
        let mut values = row.to_vec();
        self.reduce(&mut values, &mut made_of);
        let Some(pivot) = values.iter().position(|v| *v != 0) else { return false };
        let scale = inv(values[pivot]);
        values.iter_mut().chain(&mut made_of).for_each(|v| *v = mul(*v, scale));
        self.rows.push(Row { pivot, values, made_of });
        true
    }

    /// The combination of chunks that gives `row`, if it follows from the rows in here.
    pub(crate) fn solve(&self, row: &[u8]) -> Option<Combination> {
        let mut values = row.to_vec();
        let mut made_of = [0; POSITIONS];
        self.reduce(&mut values, &mut made_of);
        // What was taken away from the row to get 0 is the row: minus is plus in this field.
        values.iter().all(|v| *v == 0).then_some(made_of)
    }

    fn reduce(&self, values: &mut [u8], made_of: &mut Combination) {
        for row in &self.rows {
            let factor = values[row.pivot];
            if factor != 0 {
                let pairs = values.iter_mut().zip(&row.values).chain(made_of.iter_mut().zip(&row.made_of));
                pairs.for_each(|(value, by)| *value ^= mul(factor, *by));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_a_row_follows_from_others() {
        let mut basis = Basis::default();
        assert!(basis.add(9, &[1, 1, 0]));
        assert!(basis.add(4, &[0, 3, 7]));
        assert!(!basis.add(5, &[2, 2, 0]), "twice a row that is there");
        assert_eq!(basis.len(), 2);
        let wanted = [5, 5 ^ mul(3, 9), mul(7, 9)];
        let made_of = basis.solve(&wanted).expect("it is 5 times the one plus 9 times the other");
        assert_eq!((made_of[9], made_of[4]), (5, 9));
        assert_eq!(made_of.iter().filter(|f| **f != 0).count(), 2);
        assert!(basis.solve(&[0, 0, 1]).is_none());
    }
}
