//! What the map says of one OSD.

use crate::ids::Epoch;
use std::net::SocketAddr;
use stdx::time::WallTime;

/// A weight or affinity of 1.0 in 16.16 fixed point.
pub const WEIGHT_ONE: u32 = 0x1_0000;

/// Identifies a store (or a cluster): 16 random bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);
stdx::codec_newtype!(Uuid);

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Uuid {
    type Err = BadUuid;
    fn from_str(text: &str) -> Result<Uuid, BadUuid> {
        let bad = || BadUuid(text.to_owned());
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
        if digits.len() != 32 {
            return Err(bad());
        }
        let mut out = [0; 16];
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            // `from_str_radix` would take a sign.
            if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(bad());
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Uuid(out))
    }
}

/// Text that is not a uuid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a uuid; it has 32 hexadecimal digits, for example 0b5e1ad2-94c1-4f0e-a2a6-6f3b7c1d9e10"
)]
pub struct BadUuid(pub String);

/// One OSD. It exists while it stands in the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsdInfo {
    /// Its store; another one under the same number means that the old data is gone. Zero: never booted.
    pub uuid: Uuid,
    /// Where it listens since its last boot.
    pub addr: Option<SocketAddr>,
    /// Whether it serves.
    pub up: bool,
    /// 0 is out, [`WEIGHT_ONE`] fully in, between them it takes part of what CRUSH would give it (16.16).
    pub weight: u32,
    /// Its inclination to be primary, 0 to [`WEIGHT_ONE`].
    pub primary_affinity: u32,
    /// Drawn by the process at its start; tells a repeated boot message from a restart.
    pub nonce: u64,
    /// The epoch of its last boot. Number and `up_from` together name one incarnation.
    pub up_from: Epoch,
    /// The epoch in which it was last marked down.
    pub down_at: Epoch,
    /// When it was last marked down.
    pub down_since: WallTime,
    /// It was marked out by the monitors for being down too long, with this weight before; a boot undoes that.
    pub auto_out: Option<u32>,
}
stdx::codec_versioned!(OsdInfo, 1 { uuid, addr, up, weight, primary_affinity, nonce, up_from, down_at, down_since, auto_out });

impl OsdInfo {
    /// An OSD that has not booted yet: down and out.
    pub fn new(uuid: Uuid) -> OsdInfo {
        OsdInfo {
            uuid,
            addr: None,
            up: false,
            weight: 0,
            primary_affinity: WEIGHT_ONE,
            nonce: 0,
            up_from: Epoch(0),
            down_at: Epoch(0),
            down_since: WallTime(0),
            auto_out: None,
        }
    }

    /// Whether CRUSH may give it data.
    pub fn is_in(&self) -> bool {
        self.weight > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_print_and_parse() {
        let uuid = Uuid(*b"0123456789abcdef");
        assert_eq!(uuid.to_string(), "30313233-3435-3637-3839-616263646566");
        assert_eq!(uuid.to_string().parse(), Ok(uuid));
        assert!("+0313233-3435-3637-3839-616263646566".parse::<Uuid>().is_err());
        assert!("30".parse::<Uuid>().is_err());
    }
}
