//! The decoders of what lies on the device, for the fuzzer: sound bytes, decoding, and what must hold of what was taken.

use super::machine::IDENTITY;
use crate::buf::AlignedBuf;
use crate::chunk::{CHUNK_UNITS, Chunk, Packed, WINDOW_UNITS};
use crate::compress::Algorithm;
use crate::index::batch::Ops;
use crate::index::{Family, IndexBatch};
use crate::keys::{ObjectRow, RowHint, chunk_of_key};
use crate::layout::{Geometry, UNIT, UNIT_BYTES};
use crate::space::Run;
use crate::superblock::Superblock;
use crate::wal::Position;
use crate::wal::batch::{self, BatchHeader, HEADER_BYTES};
use crate::wal::record::{self, Record};
use bytes::Bytes;
use osd_object::{AllocHint, Compressible, ObjectMeta, Version};
use stdx::Rng;
use stdx::checksum::crc32c;
use stdx::time::WallTime;

/// Data units of the store that the bytes are of.
const UNITS: u64 = 10_000;

/// Bytes of a superblock copy that its fields take.
const SUPERBLOCK_FIELDS_BYTES: usize = 115;

/// A decoder.
#[derive(Debug)]
pub struct Door {
    /// Bytes that the store could have written.
    pub sound: fn(&mut Rng) -> Vec<u8>,
    /// Puts checksums right, or hardly a change would come further than that.
    pub seal: fn(&mut Vec<u8>),
    /// Decodes; `None` when refused.
    pub decode: fn(&[u8]) -> Option<Decoded>,
}

/// What was taken.
#[derive(Debug)]
pub struct Decoded(What);

#[derive(Debug)]
enum What {
    Batch(BatchHeader, Vec<Record>),
    Superblock(Box<Superblock>),
    Chunk(Box<Chunk>),
    ObjectRow(Box<ObjectRow>),
}

/// A log batch with its records and their index changes.
pub const BATCH: Door = Door { sound: sound_batch, seal: |bytes| seal_batch(bytes), decode: decode_batch };
/// A superblock copy.
pub const SUPERBLOCK: Door =
    Door { sound: sound_superblock, seal: seal_superblock, decode: decode_superblock };
/// A chunk of an extent map.
pub const CHUNK: Door = Door { sound: sound_chunk, seal: |_| (), decode: decode_chunk };
/// An object row; the first 12 bytes are also read as the key of a chunk.
pub const OBJECT_ROW: Door = Door { sound: sound_object_row, seal: |_| (), decode: decode_object_row };

impl Decoded {
    /// What must hold of anything that a decoder let through.
    pub fn judge(&self, input: &[u8]) -> Result<(), String> {
        match &self.0 {
            What::Batch(header, records) => {
                let again = write_batch(*header, records);
                let same = again.len() <= input.len() && again[..] == input[..again.len()];
                if !same {
                    return Err("its records make another batch".to_string());
                }
                for record in records {
                    // Index changes are read when they are applied: each is an answer or an error.
                    let changes = Ops::new(&record.index).count();
                    if changes > record.index.len() {
                        return Err(format!("{changes} changes in {} bytes", record.index.len()));
                    }
                }
            }
            What::Superblock(s) => {
                // Bytes that no field covers are zeros.
                let covered =
                    s.encode().iter().take(UNIT_BYTES - 4).rposition(|b| *b != 0).map_or(0, |n| n + 1);
                if s.encode()[..covered] != input[..covered] {
                    return Err("its fields make another superblock".to_string());
                }
            }
            What::Chunk(chunk) => {
                if Chunk::decode(&chunk.encode(), UNITS).as_ref() != Some(&**chunk) {
                    return Err("its own bytes decode to another chunk".to_string());
                }
                if chunk.runs().any(|run| run.start == 0 || run.end() > UNITS) {
                    return Err("it points outside".to_string());
                }
                for p in chunk.packed() {
                    // Whatever lies there: unpacking is an answer or a refusal, and never larger than the extent says.
                    let noise = vec![0x5a; p.run.len as usize * UNIT_BYTES];
                    if p.unpack(&noise).is_some_and(|u| u.len() != p.units * UNIT_BYTES) {
                        return Err("it unpacks to another size".to_string());
                    }
                }
            }
            What::ObjectRow(row) => {
                if row.encode()[..] != *input {
                    return Err("its fields make another row".to_string());
                }
            }
        }
        Ok(())
    }
}

fn write_batch(header: BatchHeader, records: &[Record]) -> AlignedBuf {
    let mut buf = AlignedBuf::zeroed(HEADER_BYTES);
    for r in records {
        let inline: Vec<(u64, &Bytes)> = r.inline.iter().map(|u| (u.unit, &u.data)).collect();
        let fresh: Vec<(u64, &[u32])> = r.fresh.iter().map(|f| (f.unit, &f.crcs[..])).collect();
        record::encode(&mut buf, r.lsn, &r.index, inline.into_iter(), fresh.into_iter());
    }
    let len = buf.len();
    batch::seal(&IDENTITY.uuid, header, &mut buf);
    let mut whole = AlignedBuf::with_capacity(len);
    whole.extend_from_slice(&buf[..len]);
    whole
}

fn sound_batch(rng: &mut Rng) -> Vec<u8> {
    let first_lsn = 1 + rng.below(1000);
    let mut record = |lsn| {
        let mut index = IndexBatch::new();
        for _ in 0..rng.below(4) {
            let family = Family::ALL[rng.below(4) as usize];
            match rng.below(3) {
                0 => index.put(family, &rng.next_u64().to_le_bytes(), &vec![1; rng.below(50) as usize]),
                1 => index.delete(family, b"key"),
                _ => index.delete_range(family, b"a", b"b"),
            }
        }
        let unit = 1 + rng.below(UNITS - 100);
        let inline = (0..rng.below(3))
            .map(|i| record::InlineUnit { unit: unit + i, data: Bytes::from(vec![i as u8; UNIT_BYTES]) });
        let inline = inline.collect();
        let fresh = (0..rng.below(3)).map(|i| record::FreshRun {
            unit: unit + 30 * i,
            crcs: (0..rng.below(20)).map(|n| n as u32).collect(),
        });
        Record { lsn, index: Bytes::copy_from_slice(index.as_bytes()), inline, fresh: fresh.collect() }
    };
    let count = 1 + first_lsn % 3;
    let records: Vec<Record> = (first_lsn..first_lsn + count).map(&mut record).collect();
    let header = BatchHeader {
        sequence: rng.below(1000),
        incarnation: rng.below(9),
        first_lsn,
        durable_upto: first_lsn - 1,
        previous_crc: rng.next_u64() as u32,
        len: 0,
        records: count as u32,
        crc: 0,
    };
    write_batch(header, &records).to_vec()
}

fn seal_batch(bytes: &mut [u8]) {
    let Some(header) = BatchHeader::read(&IDENTITY.uuid, bytes) else { return };
    if let Some(crc) = header.checksum_of(bytes) {
        bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }
}

fn decode_batch(input: &[u8]) -> Option<Decoded> {
    let header = BatchHeader::read(&IDENTITY.uuid, input)?;
    if !header.matches(input) {
        return None;
    }
    let records = batch::records(&header, Bytes::copy_from_slice(input), UNITS).ok()?;
    Some(Decoded(What::Batch(header, records)))
}

fn sound_superblock(rng: &mut Rng) -> Vec<u8> {
    let s = Superblock {
        sequence: rng.below(100),
        identity: IDENTITY,
        geometry: Geometry { wal_bytes: (1 + rng.below(1000)) * UNIT, data_units: rng.below(1 << 40) },
        features: 0,
        incarnation: rng.below(100),
        trim: Position { at: rng.below(1000) * UNIT, sequence: rng.next_u64(), previous_crc: 7 },
        trim_lsn: rng.next_u64(),
        clean: rng.chance(1, 2),
    };
    // Without the zeros behind the fields, where a change would change nothing; `seal` adds them.
    s.encode()[..SUPERBLOCK_FIELDS_BYTES].to_vec()
}

fn seal_superblock(bytes: &mut Vec<u8>) {
    // Cut or grown to the size that is read from a device.
    bytes.resize(UNIT_BYTES, 0);
    let crc = crc32c(&bytes[..UNIT_BYTES - 4]);
    bytes[UNIT_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
}

fn decode_superblock(input: &[u8]) -> Option<Decoded> {
    Superblock::read_copy(input).ok().map(|s| Decoded(What::Superblock(Box::new(s))))
}

fn sound_chunk(rng: &mut Rng) -> Vec<u8> {
    let mut chunk = Chunk::empty();
    for _ in 0..1 + rng.below(5) {
        let (at, len) = (rng.below(CHUNK_UNITS as u64), 1 + rng.below(20));
        let start = 1 + rng.below(UNITS - 100);
        for i in 0..len.min(CHUNK_UNITS as u64 - at) {
            chunk.set((at + i) as usize, start + i, rng.next_u64() as u32);
        }
    }
    for window in (0..CHUNK_UNITS).step_by(WINDOW_UNITS).filter(|_| rng.chance(1, 3)).collect::<Vec<_>>() {
        let units = 2 + rng.below(WINDOW_UNITS as u64 - 2);
        let stored = 1 + rng.below(units - 1);
        let packed = Packed {
            at: window,
            units: units as usize,
            run: Run { start: 1 + rng.below(UNITS - 100), len: stored },
            bytes: stored as usize * UNIT_BYTES - rng.below(UNIT) as usize,
            algorithm: if rng.chance(1, 2) { Algorithm::Lz4 } else { Algorithm::Zstd },
            crcs: (0..stored).map(|_| rng.next_u64() as u32).collect(),
        };
        let crcs: Vec<u32> = (0..units).map(|_| rng.next_u64() as u32).collect();
        chunk.pack(packed, &crcs);
        chunk.clear(window + rng.below(units) as usize);
    }
    chunk.encode()
}

fn decode_chunk(input: &[u8]) -> Option<Decoded> {
    Chunk::decode(input, UNITS).map(|c| Decoded(What::Chunk(Box::new(c))))
}

fn sound_object_row(rng: &mut Rng) -> Vec<u8> {
    let version = Version { interval: rng.below(99), seq: rng.next_u64() };
    let meta = ObjectMeta { size: rng.next_u64(), version, mtime: WallTime(rng.next_u64()) };
    let compressible = [Compressible::Unknown, Compressible::Yes, Compressible::No][rng.below(3) as usize];
    let hint = AllocHint { expected_object_bytes: rng.below(9 << 20), expected_write_bytes: 0, compressible };
    let (number, hint) = (rng.next_u64(), RowHint::of(&hint));
    ObjectRow { number, meta, has_rows: rng.chance(1, 2), hint }.encode().to_vec()
}

fn decode_object_row(input: &[u8]) -> Option<Decoded> {
    // Any 12 bytes are a key, no others.
    let key = &input[..input.len().min(12)];
    assert_eq!(chunk_of_key(key).is_some(), key.len() == 12);
    ObjectRow::decode(input).map(|row| Decoded(What::ObjectRow(Box::new(row))))
}
