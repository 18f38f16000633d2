//! The text form of a map, as `crushtool -d` prints and `crushtool -c` reads it (docs/formats/crush-text.md).

mod bucket_block;
mod choose_args_block;
mod compile;
mod cursor;
mod error;
mod print;
mod rule_block;
mod token;

pub use error::{Fault, TextError};

/// A text of more bytes is refused.
pub const TEXT_BYTES_MAX: usize = 256 << 20;
