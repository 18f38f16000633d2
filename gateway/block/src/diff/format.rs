//! The bytes of a difference: a magic, then records, each with a checksum over itself and the one before. Pure.

use crate::layout::{Layout, SIZE_BYTES_MAX};
use bytes::Bytes;
use stdx::checksum::crc32c_of;
use stdx::codec::{from_bytes, to_bytes};

/// What it begins with: a name, and the version of the format.
pub(super) const MAGIC: &[u8; 16] = b"NACRE IMAGE DIFF";
pub(super) const VERSION: u32 = 1;
/// Bytes of a record before its body: tag and length.
pub(super) const RECORD_HEAD: usize = 5;
/// The most data of one record.
pub(super) const DATA_BYTES_MAX: usize = 4 << 20;
/// The most that a body holds.
const BODY_BYTES_MAX: usize = DATA_BYTES_MAX + 64;
/// The longest head record.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// A snapshot as differences know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// Which snapshot it is, on whichever cluster it was made first: id of the image, number and time of the snapshot.
    pub origin: String,
}
stdx::codec_plain!(Mark { name, origin });

/// What a difference is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The image that it was taken of, POOL/NAME.
    pub image: String,
    /// Bytes of the image at its end.
    pub size: u64,
    /// Bytes of its objects, for an image that is made of it.
    pub object_bytes: u64,
    /// Where it begins; none: at nothing.
    pub from: Option<Mark>,
    /// Where it ends.
    pub to: Mark,
}
stdx::codec_versioned!(Head, 1 { image, size, object_bytes, from, to });

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Head(Head),
    /// Bytes at an offset.
    Data(u64, Bytes),
    /// So many zeros at an offset.
    Zero(u64, u64),
    /// The end: how many records of the two kinds before, and how many bytes of data.
    End(u64, u64),
}

impl Record {
    fn tag(&self) -> u8 {
        match self {
            Record::Head(_) => b'H',
            Record::Data(..) => b'W',
            Record::Zero(..) => b'Z',
            Record::End(..) => b'E',
        }
    }

    /// Its bytes, in parts so that data are not copied; `check` is the checksum before it, and then its own.
    pub(super) fn encode(&self, check: &mut u32) -> [Bytes; 3] {
        let two = |a: u64, b: u64| (Bytes::from([a.to_le_bytes(), b.to_le_bytes()].concat()), Bytes::new());
        let (fixed, data) = match self {
            Record::Head(head) => (to_bytes(head), Bytes::new()),
            Record::Data(at, data) => (Bytes::copy_from_slice(&at.to_le_bytes()), data.clone()),
            Record::Zero(at, len) => two(*at, *len),
            Record::End(records, bytes) => two(*records, *bytes),
        };
        let len = u32::try_from(fixed.len() + data.len()).expect("a record is bounded by DATA_BYTES_MAX");
        let start = [&[self.tag()][..], &len.to_le_bytes(), &fixed].concat();
        *check = crc32c_of([&check.to_le_bytes()[..], &start, &data]);
        [start.into(), data, Bytes::copy_from_slice(&check.to_le_bytes())]
    }

    /// Bytes of the body that a record's head announces; an error says what is wrong.
    pub(super) fn body_len(head: &[u8; RECORD_HEAD]) -> Result<usize, String> {
        let len = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (least, most) = match head[0] {
            b'H' => (1, HEAD_BYTES_MAX),
            b'W' => (9, BODY_BYTES_MAX.min(DATA_BYTES_MAX + 8)),
            b'Z' | b'E' => (16, 16),
            tag => return Err(format!("a record of the unknown kind {tag:#x}")),
        };
        if (least..=most).contains(&len) { Ok(len) } else { Err(format!("a record of {len} bytes")) }
    }

    /// Reads a record whose checksum was right.
    pub(super) fn decode(head: &[u8; RECORD_HEAD], body: Bytes) -> Result<Record, String> {
        let number = |at: usize| body.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let short = || "a record that is too short".to_string();
        let first = number(0);
        Ok(match head[0] {
            b'H' => {
                let head: Head = from_bytes(body).map_err(|e| format!("its head cannot be read: {e}"))?;
                if head.size > SIZE_BYTES_MAX || Layout::of_object_bytes(head.object_bytes).is_err() {
                    return Err("its head names an impossible size".to_string());
                }
                Record::Head(head)
            }
            b'W' => Record::Data(first.ok_or_else(short)?, body.slice(8..)),
            b'Z' => Record::Zero(first.ok_or_else(short)?, number(8).ok_or_else(short)?),
            _ => Record::End(first.ok_or_else(short)?, number(8).ok_or_else(short)?),
        })
    }
}

/// The checksum that the first record's follows: of what the stream begins with.
pub(super) fn first_check() -> u32 {
    crc32c_of([&MAGIC[..], &VERSION.to_le_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_are_chained() {
        let head = Head {
            image: "rbd/vm".into(),
            size: 1 << 20,
            object_bytes: 4 << 20,
            from: None,
            to: Mark { name: "monday".into(), origin: "1.2.3".into() },
        };
        let all = [
            Record::Head(head),
            Record::Data(7, Bytes::from_static(b"abc")),
            Record::Zero(10, 90),
            Record::End(2, 3),
        ];
        let mut check = first_check();
        for record in &all {
            let before = check;
            let bytes = record.encode(&mut check).concat();
            let head: [u8; RECORD_HEAD] = bytes[..RECORD_HEAD].try_into().unwrap();
            let len = Record::body_len(&head).unwrap();
            assert_eq!(bytes.len(), RECORD_HEAD + len + 4);
            let body = Bytes::copy_from_slice(&bytes[RECORD_HEAD..RECORD_HEAD + len]);
            assert_eq!(Record::decode(&head, body).as_ref(), Ok(record));
            let mut other = before ^ 1;
            assert_ne!(record.encode(&mut other).concat()[RECORD_HEAD + len..], bytes[RECORD_HEAD + len..]);
        }
        assert!(Record::body_len(b"W\xff\xff\xff\xff").is_err(), "lengths are bounded");
        assert!(Record::body_len(b"x\x01\0\0\0").is_err());
    }
}
