//! Erasure coding: Reed-Solomon over GF(2^8), chunk for chunk what Ceph's `isa`, `jerasure` and `lrc` plugins write. Pure.
//!
//! * [`Profile`] says which code, within Ceph's limits; [`Code`] is that code, ready to work.
//! * [`Code::encode`], [`Code::encode_with_crc32c`] make parity; [`Code::add_deltas`] updates it after an overwrite.
//! * [`Code::minimum_to_decode`] says which chunks to read, [`Code::plan`] how to rebuild the lost ones from them, and
//!   [`Code::decode`] does it; [`Plans`] keeps the plans of the erasures at hand.
//! * [`Kernel`] is how the bytes are multiplied: the best that the processor has, or one that is forced.
//!
//! Drawn in `docs/formats/erasure.md`.

mod basis;
mod chunk_set;
mod code;
mod error;
mod generator;
mod gf;
pub mod kernel;
mod layout;
mod matrix;
mod pass;
mod plan;
mod plans;
mod profile;
mod profile_text;
mod stripes;

pub use chunk_set::ChunkSet;
pub use code::Code;
pub use error::{ChunkError, ProfileError, TooManyLost};
pub use kernel::{Kernel, KernelKind};
pub use plan::Plan;
pub use plans::Plans;
pub use profile::{CHUNK_ALIGNMENT, Profile, Technique};
pub use stripes::{Extent, Stripes};
