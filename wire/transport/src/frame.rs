//! Frames: how one message lies on the wire. Pure; drawn in docs/formats/frame.md.

use bytes::{Bytes, BytesMut};
use stdx::checksum::{crc32c, crc32c_of};
use stdx::codec::{DecodeError, Writer, from_bytes};
use wire_codec::Message;

/// The most that one message may take, bytes: 16 MiB of data and a MiB for what goes with it.
pub const PAYLOAD_BYTES_MAX: usize = (16 + 1) << 20;

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 16;

/// Byte strings of a message from this length on are sent from where they lie; copying shorter ones costs less
/// than one more slice in the system call.
const SHARE_FROM_BYTES: usize = 16 << 10;

const MAGIC: [u8; 2] = *b"NF";
const VERSION: u8 = 1;

/// A message, encoded once and sent as often as needed (cloning shares the bytes).
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    pub(crate) header: [u8; HEADER_BYTES],
    /// The payload, in pieces that follow each other.
    pub(crate) payload: Vec<Bytes>,
    bytes: usize,
}

/// A message that does not fit a frame; whoever built it must cut it into smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {bytes} bytes does not fit a frame (at most {PAYLOAD_BYTES_MAX})")]
pub struct TooLarge {
    /// What it would take, bytes.
    pub bytes: usize,
}

impl Frame {
    /// Encodes `message`. Fails if it takes more than `PAYLOAD_BYTES_MAX`.
    pub fn of(message: &Message) -> Result<Frame, TooLarge> {
        let mut w = Writer::sharing(SHARE_FROM_BYTES);
        w.put(message);
        let len = w.len();
        if len > PAYLOAD_BYTES_MAX {
            return Err(TooLarge { bytes: len });
        }
        let payload = w.finish_parts();
        let crc = crc32c_of(payload.iter().map(|p| &p[..]));
        Ok(Frame { header: header_of(len as u32, crc), payload, bytes: HEADER_BYTES + len })
    }
    /// Bytes on the wire, header included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// The slices to write, in order.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.header[..]).chain(self.payload.iter().map(|p| &p[..]))
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Payloads hold users' data, which has no place in a log.
        write!(f, "Frame({} bytes)", self.bytes())
    }
}

fn header_of(len: u32, payload_crc: u32) -> [u8; HEADER_BYTES] {
    let mut h = [0; HEADER_BYTES];
    h[..2].copy_from_slice(&MAGIC);
    h[2] = VERSION;
    h[4..8].copy_from_slice(&len.to_le_bytes());
    h[8..12].copy_from_slice(&payload_crc.to_le_bytes());
    let crc = crc32c(&h[..12]);
    h[12..].copy_from_slice(&crc.to_le_bytes());
    h
}

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It does not begin as frames do.
    #[error("it does not begin as a frame does")]
    Magic,
    /// Another version of the format.
    #[error("frame version {0}, this build knows {VERSION}; upgrade the older daemon")]
    Version(u8),
    /// The header was altered on the way.
    #[error("the checksum of its header is wrong")]
    HeaderChecksum,
    /// It announces more than a frame may hold. Nothing was allocated for it.
    #[error("it announces {0} bytes, more than a frame may hold ({PAYLOAD_BYTES_MAX})")]
    TooLong(u32),
    /// The payload was altered on the way.
    #[error("the checksum of its payload is wrong")]
    PayloadChecksum,
    /// The payload is no message.
    #[error("its payload is no message: {0}")]
    Message(#[from] DecodeError),
    /// The link ended in the middle of it.
    #[error("the link ended {0} bytes into it")]
    Cut(usize),
}

/// What stands at the front of a receive buffer.
#[allow(
    clippy::large_enum_variant,
    reason = "taken apart where it is made; a box would cost one per message"
)]
#[derive(Debug, PartialEq)]
pub(crate) enum Front {
    /// A whole message, now taken off the buffer.
    Message(Message),
    /// Nothing whole yet: this many bytes more complete the header or the frame.
    Need(usize),
}

/// Takes the message at the front of `buf`, if it is whole. Byte strings in it share the buffer's memory.
/// A length is believed only after the header's checksum and bound held.
pub(crate) fn take(buf: &mut BytesMut) -> Result<Front, FrameError> {
    let Some((h, rest)) = buf.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(Front::Need(HEADER_BYTES - buf.len()));
    };
    if h[..2] != MAGIC {
        return Err(FrameError::Magic);
    }
    if h[2] != VERSION {
        return Err(FrameError::Version(h[2]));
    }
    let word = |at: usize| u32::from_le_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]]);
    if word(12) != crc32c(&h[..12]) {
        return Err(FrameError::HeaderChecksum);
    }
    let (len, crc) = (word(4), word(8));
    if len as usize > PAYLOAD_BYTES_MAX {
        return Err(FrameError::TooLong(len));
    }
    let len = len as usize;
    if rest.len() < len {
        return Ok(Front::Need(len - rest.len()));
    }
    let payload = buf.split_to(HEADER_BYTES + len).freeze().slice(HEADER_BYTES..);
    if crc32c(&payload) != crc {
        return Err(FrameError::PayloadChecksum);
    }
    Ok(Front::Message(from_bytes(payload)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(frames: &[Frame]) -> Vec<u8> {
        frames.iter().flat_map(Frame::slices).flatten().copied().collect()
    }
    fn ping(stamp: u64) -> Message {
        Message::Ping { stamp }
    }

    #[test]
    fn frames_come_back_whole_however_they_are_cut() {
        let all = bytes_of(&[Frame::of(&ping(7)).unwrap(), Frame::of(&ping(8)).unwrap()]);
        for cut in 0..=all.len() {
            let mut buf = BytesMut::from(&all[..cut]);
            let mut got = Vec::new();
            let mut fed = false;
            loop {
                match take(&mut buf).unwrap() {
                    Front::Message(m) => got.push(m),
                    Front::Need(n) if !fed => {
                        assert!(
                            n <= all.len() - cut || cut == all.len(),
                            "asks only for what belongs to a frame"
                        );
                        buf.extend_from_slice(&all[cut..]);
                        fed = true;
                    }
                    Front::Need(n) => {
                        assert_eq!(n, HEADER_BYTES);
                        break;
                    }
                }
            }
            assert_eq!(got, [ping(7), ping(8)]);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = bytes_of(&[Frame::of(&ping(7)).unwrap()]);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(take(&mut BytesMut::from(&bad[..])).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_from_its_header_alone() {
        let h = header_of(PAYLOAD_BYTES_MAX as u32 + 1, 0);
        let e = take(&mut BytesMut::from(&h[..]));
        assert_eq!(e, Err(FrameError::TooLong(PAYLOAD_BYTES_MAX as u32 + 1)));
        let h = header_of(PAYLOAD_BYTES_MAX as u32, 0);
        assert_eq!(take(&mut BytesMut::from(&h[..])), Ok(Front::Need(PAYLOAD_BYTES_MAX)));
    }

    #[test]
    fn a_payload_that_is_no_message_is_an_error() {
        let payload = b"\xffjunk";
        let mut buf = BytesMut::from(&header_of(5, crc32c(payload))[..]);
        buf.extend_from_slice(payload);
        assert!(matches!(take(&mut buf), Err(FrameError::Message(_))));
    }
}
