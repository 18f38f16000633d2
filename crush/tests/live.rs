//! Against the real thing: random maps through the `crushtool` on PATH (Debian: ceph-base) and through us.
//!
//! Without the tool these tests say so and pass; the golden files in `golden.rs` still hold.
//! `CRUSH_LIVE_SEED=N` replays one map, `CRUSH_LIVE_MAPS=N` tries more of them, `CRUSH_LIVE_RECORD=DIR` keeps what the
//! tool said as golden files for `golden.rs`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a test that runs a program and reads files"
)]

mod support;
mod tool;

use crush::CrushMap;
use support::{Random, random_map};
use tool::{Scratch, TOOL, run, tool_exists};

/// One map: the same bytes from compiling, the same text from decompiling, the same mappings. Returns their number.
fn compare(seed: u64) -> usize {
    let random = &mut Random(seed);
    let made = random_map(random);
    let scratch = Scratch::new(seed);
    let (text, binary) = (scratch.file("map.txt"), scratch.file("map.bin"));
    std::fs::write(&text, &made.text).expect("scratch");
    let replay = format!("replay: CRUSH_LIVE_SEED={seed} cargo test --release -p crush --test live");

    let (accepted, _, complaint) = run(&["-c", &text, "-o", &binary]);
    let ours = CrushMap::compile(&made.text);
    let ours = match (accepted, ours) {
        (true, Ok(ours)) => ours,
        (false, Err(_)) => return 0,
        (_, ours) => panic!("{TOOL} says {complaint:?}, we say {ours:?}\n{}\n{replay}", made.text),
    };
    let theirs = std::fs::read(&binary).expect("compiled");
    if ours.encode() != theirs {
        let theirs = CrushMap::decode(&theirs);
        panic!("compiled bytes differ\nours: {ours:#?}\ntheirs: {theirs:#?}\n{}\n{replay}", made.text);
    }
    let map = CrushMap::decode(&theirs).unwrap_or_else(|error| panic!("{error}; {replay}"));
    let (_, decompiled, _) = run(&["-d", &binary]);
    assert_eq!(map.decompile().expect("a tree"), String::from_utf8_lossy(&decompiled), "{replay}");

    let mut compared = 0;
    let mut record = String::new();
    for rule in 0..made.rules {
        let count = if random.one_in(8) { 8 + random.below(30) } else { 1 + random.below(7) };
        let first = if random.one_in(2) { 0 } else { random.below(1 << 30) as u32 };
        let pool = random.one_in(4).then(|| random.below(1 << 20) as u32);
        let mut weights = vec![0x1_0000u32; made.devices];
        let (from, to) = (first.to_string(), (first + 99).to_string());
        let mut arguments: Vec<String> =
            ["-i", &binary, "--test", "--show-mappings", "--min-x", &from, "--max-x", &to]
                .iter()
                .map(|word| (*word).to_owned())
                .collect();
        arguments.extend(pool.into_iter().flat_map(|pool| ["--pool-id".into(), pool.to_string()]));
        arguments.extend(["--rule".into(), rule.to_string(), "--num-rep".into(), count.to_string()]);
        for _ in 0..random.below(4) {
            let device = random.below(made.devices.max(1));
            if device >= made.devices {
                continue;
            }
            let weight = *random.pick(&["0", "0.25", "0.5", "0.75"]);
            weights[device] = (weight.parse::<f32>().expect("a number") * 65536.0) as u32;
            arguments.extend(["--weight".into(), device.to_string(), weight.to_owned()]);
        }
        record += &format!("# {}\n", arguments[2..].join(" "));
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (_, stdout, stderr) = run(&words);
        let stdout = String::from_utf8_lossy(&stdout).into_owned() + &stderr;
        for line in stdout.lines().filter(|line| line.starts_with("CRUSH rule")) {
            let x: u32 = line.split_whitespace().nth(4).and_then(|x| x.parse().ok()).expect("x");
            let seed_of_x = pool.map_or(x, |pool| crush::hash::hash32_2(x, pool));
            let devices = map.do_rule(rule as u32, seed_of_x, count, &weights, Some(0));
            let devices: Vec<String> = devices.iter().map(i32::to_string).collect();
            assert_eq!(
                format!("CRUSH rule {rule} x {x} [{}]", devices.join(",")),
                line,
                "{}\n{replay}",
                made.text
            );
            record += &format!("{line}\n");
            compared += 1;
        }
    }
    if let Ok(directory) = std::env::var("CRUSH_LIVE_RECORD") {
        let keep = |kind: &str, bytes: &[u8]| {
            std::fs::write(format!("{directory}/random{seed}.{kind}"), bytes)
                .expect("a place for golden files");
        };
        keep("txt", made.text.as_bytes());
        keep("bin", &theirs);
        keep("decompiled.txt", &decompiled);
        keep("mappings.txt", record.as_bytes());
    }
    compared
}

#[test]
fn random_maps_compile_print_and_map_as_in_ceph() {
    if !tool_exists() {
        return;
    }
    if let Ok(seed) = std::env::var("CRUSH_LIVE_SEED") {
        compare(seed.parse().expect("a number"));
        return;
    }
    let maps = std::env::var("CRUSH_LIVE_MAPS").ok().and_then(|maps| maps.parse().ok()).unwrap_or(32);
    // Other maps on each run: the tool is the judge, and a failure names the map that shows it.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let first = now.as_secs() * 1000;
    let compared: usize = (first..first + maps).map(compare).sum();
    println!("{compared} mappings of {maps} random maps from seed {first} on are {TOOL}'s");
    assert!(compared >= maps as usize * 250, "only {compared} mappings were compared");
}
