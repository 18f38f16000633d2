//! The class `index`: one range shard of a bucket's index, kept in an object's omap (decision D7).
//! Rows and methods are drawn in docs/formats/bucket-index.md.

mod rows;

pub use rows::Tag;
