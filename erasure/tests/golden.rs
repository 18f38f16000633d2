//! Chunk for chunk what Ceph's own tool wrote (`vectors/PROVENANCE`): contents, sizes, and which profiles it takes.

use erasure::{Code, Profile, Stripes};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const INPUT: &[u8] = include_bytes!("vectors/input.bin");

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The shards of `object` in stripes of `unit`, by position.
fn shards(code: &Code, unit: usize, object: &[u8]) -> Vec<Vec<u8>> {
    let stripes = Stripes::new(code.profile(), unit as u64).expect("a unit of the tool");
    let mut shards = vec![Vec::new(); code.profile().chunks()];
    for stripe in object.chunks(stripes.width() as usize) {
        let mut padded = stripe.to_vec();
        padded.resize(stripes.width() as usize, 0);
        let chunks = code.encode_object(&padded);
        shards.iter_mut().zip(chunks).for_each(|(shard, chunk)| shard.extend(chunk));
    }
    assert!(shards.iter().all(|s| Some(s.len() as u64) == stripes.shard_bytes(object.len() as u64)));
    shards
}

/// Compares all shards that the rows name; returns how many there were.
fn compare<'a>(rows: impl Iterator<Item = (&'a str, usize, usize, usize, &'a str)>) -> usize {
    let mut made: BTreeMap<(&str, usize, usize), Vec<String>> = BTreeMap::new();
    let mut compared = 0;
    for (profile, unit, len, chunk, expected) in rows {
        let hashes = made.entry((profile, unit, len)).or_insert_with(|| {
            let code = Code::new(profile.parse().unwrap_or_else(|error| panic!("{profile}: {error}")));
            shards(&code, unit, &INPUT[..len]).iter().map(|shard| hex(shard)).collect()
        });
        assert_eq!(hashes[chunk], expected, "{profile} unit {unit}, {len} bytes, chunk {chunk}");
        compared += 1;
    }
    assert!(made.values().map(Vec::len).sum::<usize>() == compared, "every chunk of every profile");
    compared
}

#[test]
fn golden_chunks() {
    let rows = include_str!("vectors/golden.tsv").lines().map(|line| {
        let words: Vec<&str> = line.split('\t').collect();
        (words[0], 4096, INPUT.len(), words[1].parse().expect("a chunk"), words[2])
    });
    assert_eq!(compare(rows), 51);
}

#[test]
fn chunks_of_many_profiles_units_and_lengths() {
    let rows = include_str!("vectors/chunks.tsv").lines().map(|line| {
        let words: Vec<&str> = line.split('\t').collect();
        let number = |i: usize| words[i].parse().expect("a number");
        (words[0], number(1), number(2), number(3), words[4])
    });
    assert_eq!(compare(rows), 644);
}

#[test]
fn chunk_sizes() {
    for line in include_str!("vectors/sizes.tsv").lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let profile: Profile = words[0].parse().expect("a profile");
        let object = words[1].parse().expect("bytes");
        assert_eq!(
            profile.chunk_bytes(object).map(|bytes| bytes.to_string()).as_deref(),
            Some(words[2]),
            "{line}"
        );
    }
}

#[test]
fn profiles_that_ceph_takes_and_refuses() {
    for line in include_str!("vectors/profiles.tsv").lines() {
        let (text, verdict) = line.split_once('\t').expect("two columns");
        // Ceph takes a single local group, and then writes no global parity: we refuse that.
        let one_group = ["k=4,m=3,l=7", "k=4,m=1,l=5", "k=4,m=2,l=6"].iter().any(|end| text.ends_with(end));
        // Ceph knows no pool without parity. Here the code exists, and who makes a pool of it has to accept data loss.
        let without_parity = text.starts_with("plugin=isa,technique=reed_sol_van,") && text.ends_with(",m=0");
        let taken = (verdict == "yes" && !one_group) || without_parity;
        assert_eq!(text.parse::<Profile>().is_ok(), taken, "{line}");
    }
}
