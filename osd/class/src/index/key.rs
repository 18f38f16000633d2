//! Row keys: a section's letter, the escaped S3 key, and what follows it (docs/formats/bucket-index.md).

use super::rows::{Tag, Version};
use bytes::Bytes;
use osd_object::view::prefix_end;

pub(super) const ABSORBING: &[u8] = b"a";
pub(super) const JOINED: u8 = b'b';
pub(super) const COUNTERS: &[u8] = b"c";
pub(super) const HEADER: &[u8] = b"h";
pub(super) const SPLIT: &[u8] = b"s";
pub(super) const CHANGED: u8 = b'd';
pub(super) const GARBAGE: u8 = b'g';
pub(super) const INLINE: u8 = b'i';
pub(super) const OBJECT: u8 = b'k';
pub(super) const DETAIL: u8 = b'm';
pub(super) const NULL: u8 = b'n';
pub(super) const PART: u8 = b'p';
pub(super) const REVOKED: u8 = b'r';
pub(super) const UPLOAD: u8 = b'u';
pub(super) const VERSION: u8 = b'v';
pub(super) const DISOWNED: u8 = b'x';

/// The sections that a split moves, in byte order. Of `REVOKED` all rows go along, and stay as well.
pub(super) const MOVING: [u8; 10] =
    [GARBAGE, INLINE, OBJECT, DETAIL, NULL, PART, REVOKED, UPLOAD, VERSION, DISOWNED];

/// `section` and the escaped bytes of a key or a part of one, without the end mark: where all keys that are
/// not less than `start` begin, and what all rows of keys that begin with it begin with.
pub(super) fn position(section: u8, start: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(start.len() + 32);
    out.push(section);
    for b in start {
        out.push(*b);
        if *b == 0 {
            out.push(0xff);
        }
    }
    out
}

/// The row of a key in a section that has one per key, and the prefix of its rows in the others.
pub(super) fn row(section: u8, key: &[u8]) -> Vec<u8> {
    let mut out = position(section, key);
    out.extend([0, 1]);
    out
}

/// `row` as shared bytes.
pub(super) fn row_bytes(section: u8, key: &[u8]) -> Bytes {
    row(section, key).into()
}

/// The row of a version of a key: the newest sorts first.
pub(super) fn version_row(section: u8, key: &[u8], version: Version) -> Bytes {
    let mut out = row(section, key);
    out.extend((!version.seq).to_be_bytes());
    out.extend(version.nonce.to_be_bytes());
    out.into()
}

/// The version that the rest of a version's row names. None for what no writer makes.
pub(super) fn parse_version(rest: &[u8]) -> Option<Version> {
    let (seq, nonce) = rest.split_at_checked(8)?;
    let number = |b: &[u8]| b.try_into().map(u64::from_be_bytes).ok();
    Some(Version { seq: !number(seq)?, nonce: number(nonce)? })
}

/// The row of a key and a run.
pub(super) fn tag_row(section: u8, key: &[u8], tag: Tag) -> Bytes {
    let mut out = row(section, key);
    out.extend(tag.instance.to_be_bytes());
    out.extend(tag.seq.to_be_bytes());
    out.into()
}

/// The row of an upload; the prefix of its parts with `PART`.
pub(super) fn upload_row(section: u8, key: &[u8], upload: u128) -> Vec<u8> {
    let mut out = row(section, key);
    out.extend(upload.to_be_bytes());
    out
}

/// The row of a part.
pub(super) fn part_row(key: &[u8], upload: u128, number: u16) -> Bytes {
    let mut out = upload_row(PART, key, upload);
    out.extend(number.to_be_bytes());
    out.into()
}

/// The row that fences a gateway instance.
pub(super) fn revoked_row(instance: u64) -> Bytes {
    let mut out = vec![REVOKED];
    out.extend(instance.to_be_bytes());
    out.into()
}

/// The row that says how a merge ended.
pub(super) fn joined_row(nonce: u64) -> Bytes {
    let mut out = vec![JOINED];
    out.extend(nonce.to_be_bytes());
    out.into()
}

/// The row that notes a change of `row`.
pub(super) fn changed_row(row: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(row.len() + 1);
    out.push(CHANGED);
    out.extend(row);
    out.into()
}

/// The least row key behind a section.
pub(super) fn section_end(section: u8) -> Bytes {
    Bytes::copy_from_slice(&[section + 1])
}

/// Takes a row key of a key-ordered section apart: the S3 key and what follows it. None for what no
/// writer makes.
pub(super) fn parse(row: &[u8]) -> Option<(Bytes, &[u8])> {
    let mut rest = row.get(1..)?;
    let mut key = Vec::with_capacity(rest.len());
    loop {
        let (b, tail) = rest.split_first()?;
        rest = tail;
        if *b != 0 {
            key.push(*b);
            continue;
        }
        let (mark, tail) = rest.split_first()?;
        rest = tail;
        match mark {
            0xff => key.push(0),
            1 => return Some((key.into(), rest)),
            _ => return None,
        }
    }
}

/// The S3 key that a row belongs to; none for rows of the shard itself.
pub fn key_of_row(row: &Bytes) -> Option<Bytes> {
    let section = *row.first()?;
    if section == REVOKED || !MOVING.contains(&section) {
        None
    } else {
        parse_shared(row).map(|(key, _)| key)
    }
}

/// The same for a row at hand, whose memory the key shares unless it holds a zero byte.
pub(super) fn parse_shared(row: &Bytes) -> Option<(Bytes, &[u8])> {
    let at = row.get(1..)?.iter().position(|b| *b == 0)? + 1;
    match row.get(at + 1)? {
        1 => Some((row.slice(1..at), &row[at + 2..])),
        _ => parse(row),
    }
}

/// Whether a row belongs to keys at or behind `at` (or to the section that goes with both halves).
pub(super) fn moves(row: &[u8], at: &[u8]) -> bool {
    match row.first() {
        Some(&REVOKED) => true,
        Some(section) if MOVING.contains(section) => row >= &position(*section, at)[..],
        _ => false,
    }
}

/// The least key behind all that start with `prefix`; none if there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
    prefix_end(prefix)
}

/// The least key behind `key`.
pub fn after_key(key: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(key.len() + 1);
    out.extend(key);
    out.push(0);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    fn random(rng: &mut Rng) -> Vec<u8> {
        (0..rng.below(5)).map(|_| [0, 1, 2, b'a', 0xfe, 0xff][rng.below(6) as usize]).collect()
    }

    #[test]
    fn the_newest_version_sorts_first() {
        let row = |seq, nonce| version_row(VERSION, b"k", Version { seq, nonce });
        assert!(row(2, 9) < row(1, 0) && row(1, 0) < row(0, 0));
        assert!(row(0, 0) < row_bytes(VERSION, b"k0"));
        let (_, rest) = parse(&row(7, 5)).map(|(k, rest)| (k, rest.to_vec())).unwrap();
        assert_eq!(parse_version(&rest), Some(Version { seq: 7, nonce: 5 }));
        assert_eq!(parse_version(b"short"), None);
    }

    #[test]
    fn rows_sort_as_keys_and_come_back() {
        let mut rng = Rng::new(5);
        for _ in 0..20_000 {
            let (a, b) = (random(&mut rng), random(&mut rng));
            assert_eq!(row(OBJECT, &a).cmp(&row(OBJECT, &b)), a.cmp(&b), "{a:?} {b:?}");
            // A position divides rows as the key divides keys, suffixes or not.
            let suffixed = upload_row(UPLOAD, &a, u128::from(rng.next_u64()));
            assert_eq!(suffixed >= position(UPLOAD, &b), a >= b, "{a:?} {b:?}");
            assert_eq!(parse(&suffixed).map(|(k, rest)| (k.to_vec(), rest.len())), Some((a.clone(), 16)));
            assert_eq!(parse_shared(&suffixed.clone().into()), parse(&suffixed), "{a:?}");
            assert_eq!(a.starts_with(&b), row(OBJECT, &a).starts_with(&position(OBJECT, &b)), "{a:?} {b:?}");
            assert_eq!(after_key(&a) <= b, a < b);
        }
    }
}
