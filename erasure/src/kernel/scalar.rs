//! The specification: byte by byte with the field's own product.

use super::{Job, Mode};
use crate::gf::mul;

pub(super) fn run(job: Job<'_, '_>) {
    let rows = job.coefficients.chunks(job.sources.len());
    for (row, output) in rows.zip(job.outputs) {
        for at in job.range.clone() {
            let before = if job.mode == Mode::Add { output[at] } else { 0 };
            let products =
                row.iter().zip(job.sources).map(|(coefficient, source)| mul(*coefficient, source[at]));
            output[at] = products.fold(before, |sum, product| sum ^ product);
        }
    }
}
