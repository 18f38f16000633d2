//! The binary form of a map, as Ceph 16.2 writes it into OSD maps and `crushtool -c` into files
//! (docs/formats/crush-binary.md).

mod decode;
mod encode;
mod error;
mod reader;

pub use error::{DecodeError, DecodeFault};

/// The first word of every map.
const MAGIC: u32 = 0x0001_0000;
