//! Spoiling what lies on an OSD's disk, and looking at what does.

use crate::{Cluster, S3};
use serde_json::Value;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

/// An OSD's directory, as the tools for stopped stores take it.
pub fn path(cluster: &Cluster, osd: &str) -> String {
    cluster.dir().join(osd).display().to_string()
}

/// Flips a bit at an offset of a stopped OSD's data file.
pub fn flip(cluster: &Cluster, osd: &str, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(cluster.dir().join(osd).join("data"));
    let file = file.expect("the store's data file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("readable");
    file.write_all_at(&[byte[0] ^ 4], offset).expect("writable");
}

/// `nacre osd inspect` of a stopped OSD.
pub fn inspect(cluster: &Cluster, osd: &str, what: &[&str]) -> Value {
    cluster.json(&[&["osd", "inspect", "--osd-path", &path(cluster, osd)], what].concat())
}

/// Live objects of some size, by id, in a stopped OSD's store.
pub fn large(cluster: &Cluster, osd: &str) -> Vec<String> {
    let all = inspect(cluster, osd, &["objects"]);
    let large = |o: &&Value| o["size"].as_u64() >= Some(8192) && o["snap"].as_u64() == Some(u64::MAX - 1);
    let ids = all["objects"].as_array().expect("objects").iter().filter(large);
    ids.map(|o| o["id"].as_str().expect("an id").to_string()).collect()
}

/// Where the first extent of an object begins on a stopped OSD's device.
pub fn first_extent(cluster: &Cluster, osd: &str, id: &str) -> u64 {
    let found = inspect(cluster, osd, &["extents", id]);
    found["objects"][0]["extents"][0]["device_offset"].as_u64().expect("an offset")
}

/// The objects `o0`, `o1`, ... of a bucket are what they were made to be.
#[track_caller]
pub fn all_there(s3: &S3, bucket: &str, objects: u64, body: impl Fn(u64) -> Vec<u8>) {
    for n in 0..objects {
        assert!(s3.get(bucket, &format!("o{n}")) == Some(body(n)), "object o{n}");
    }
}
