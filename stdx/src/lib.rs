//! What std lacks and every package needs: time that a simulator can mint, seeded chance, checksums,
//! bounded little-endian encoding, and errno-style codes. Pure: no clock, no socket, no file, no thread.

pub mod checksum;
pub mod codec;
pub mod errno;
pub mod rng;
pub mod time;

pub use errno::Errno;
pub use rng::Rng;
pub use time::Time;
