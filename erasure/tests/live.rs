//! Against the real thing: random profiles, units and objects through the `ceph-erasure-code-tool` on PATH (Debian:
//! ceph-osd) and through us.
//!
//! Without the tool this says so and passes; the golden files in `golden.rs` still hold. `ERASURE_LIVE_SEED=N` replays one
//! case, `ERASURE_LIVE_CASES=N` tries more of them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a test that runs a program and reads files"
)]

use erasure::{Code, Profile, Stripes, Technique};
use std::path::{Path, PathBuf};
use std::process::Command;
use stdx::Rng;

const TOOL: &str = "ceph-erasure-code-tool";

/// A folder of this process that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let folder = std::env::temp_dir().join(format!("nacre-erasure-live-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("scratch");
        Scratch(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind in the system's scratch folder is no failure of the test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn random_profile(rng: &mut Rng) -> Profile {
    loop {
        let (k, m) = (2 + rng.below(31) as usize, 1 + rng.below(16) as usize);
        let technique = match rng.below(4) {
            0 => Technique::IsaVandermonde,
            1 => Technique::IsaCauchy,
            2 => Technique::JerasureVandermonde,
            _ => Technique::Local { l: 2 + rng.below(8) as usize },
        };
        if let Ok(profile) = Profile::new(technique, k, m) {
            return profile;
        }
    }
}

fn shards(code: &Code, unit: u64, object: &[u8]) -> Vec<Vec<u8>> {
    let width = Stripes::new(code.profile(), unit).expect("a unit").width() as usize;
    let mut shards = vec![Vec::new(); code.profile().chunks()];
    for stripe in object.chunks(width) {
        let mut padded = stripe.to_vec();
        padded.resize(width, 0);
        shards.iter_mut().zip(code.encode_object(&padded)).for_each(|(shard, chunk)| shard.extend(chunk));
    }
    shards
}

/// One case; the replay line is for what fails.
fn compare(seed: u64, folder: &Path) {
    let replay = format!("replay: ERASURE_LIVE_SEED={seed} cargo test --release -p erasure --test live");
    let rng = &mut Rng::new(seed);
    let profile = random_profile(rng);
    let unit = 32 * (1 + rng.below(64));
    let mut object = vec![0; 1 + rng.below(40_000) as usize];
    rng.fill(&mut object);
    std::fs::write(folder.join("x"), &object).expect("scratch");
    let text = profile.to_string().replace(' ', ",");
    let all: Vec<String> = (0..profile.chunks()).map(|position| position.to_string()).collect();
    let done = Command::new(TOOL)
        .args(["encode", &text, &unit.to_string(), &all.join(","), "x"])
        .current_dir(folder)
        .output()
        .expect("the tool runs");
    assert!(done.status.success(), "{text}: {}\n{replay}", String::from_utf8_lossy(&done.stderr));
    for (position, ours) in shards(&Code::new(profile), unit, &object).iter().enumerate() {
        let theirs = std::fs::read(folder.join(format!("x.{position}"))).expect("a shard of the tool");
        assert!(*ours == theirs, "{text} unit {unit}, {} bytes: shard {position}\n{replay}", object.len());
    }
}

#[test]
fn random_objects_through_cephs_tool_and_through_us() {
    if Command::new(TOOL).arg("--help").output().is_err() {
        println!("no {TOOL} on PATH (Debian: ceph-osd): nothing compared");
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let scratch = Scratch::new();
    match number("ERASURE_LIVE_SEED") {
        Some(seed) => compare(seed, &scratch.0),
        None => (0..number("ERASURE_LIVE_CASES").unwrap_or(20)).for_each(|seed| compare(seed, &scratch.0)),
    }
}
