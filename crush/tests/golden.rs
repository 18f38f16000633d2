//! Byte for byte against files that Ceph's own tools wrote (tests/vectors/PROVENANCE).

#![allow(clippy::disallowed_methods, reason = "a test reads its golden files")]

use crush::{CrushMap, Show, Trial, hash};

const TEXT: &str = include_str!("vectors/dc48.txt");
const BINARY: &[u8] = include_bytes!("vectors/dc48.bin");
const DECOMPILED: &str = include_str!("vectors/dc48.decompiled.txt");

fn vectors() -> String {
    format!("{}/tests/vectors", env!("CARGO_MANIFEST_DIR"))
}

/// The devices' weights that a file's tag stands for.
fn weights(tag: &str) -> Vec<u32> {
    let mut weights = vec![0x1_0000; 48];
    match tag {
        "w1" => {
            weights[5] = 0;
            weights[17] = 0x8000;
            weights[30] = 0x4000;
        }
        "w2" => {
            weights[..6].fill(0);
            weights[40] = 0xc000;
        }
        _ => {}
    }
    weights
}

#[test]
fn every_golden_mapping_is_ours() {
    let map = CrushMap::decode(BINARY).expect("the golden map");
    let mut files = 0;
    for entry in std::fs::read_dir(vectors()).expect("vectors") {
        let name = entry.expect("entry").file_name().into_string().expect("name");
        // dc48.rR.nN[.TAG].txt
        let parts: Vec<&str> = name.split('.').collect();
        let (Some(rule), Some(count)) = (
            parts.get(1).and_then(|part| part.strip_prefix('r')?.parse::<u32>().ok()),
            parts.get(2).and_then(|part| part.strip_prefix('n')?.parse::<usize>().ok()),
        ) else {
            continue;
        };
        let tag = parts[3];
        let weights = weights(tag);
        let golden = std::fs::read_to_string(format!("{}/{name}", vectors())).expect("file");
        let mut lines = 0;
        for (x, line) in (0u32..).zip(golden.lines()) {
            let seed = if tag == "pool5" { hash::hash32_2(x, 5) } else { x };
            let devices = map.do_rule(rule, seed, count, &weights, Some(0));
            let devices: Vec<String> = devices.iter().map(i32::to_string).collect();
            assert_eq!(format!("CRUSH rule {rule} x {x} [{}]", devices.join(",")), line, "{name}");
            lines += 1;
        }
        assert_eq!(lines, 1024, "{name}");
        files += 1;
    }
    assert_eq!(files, 29);
}

/// Random maps of every bucket kind that the live comparison once recorded.
#[test]
fn recorded_random_maps_are_ours() {
    let read = |name: String| std::fs::read(format!("{}/{name}", vectors())).expect("a golden file");
    let text = |name: String| String::from_utf8(read(name)).expect("UTF-8");
    let mut compared = 0;
    for entry in std::fs::read_dir(vectors()).expect("vectors") {
        let name = entry.expect("entry").file_name().into_string().expect("name");
        let Some(stem) = name.strip_suffix(".mappings.txt") else { continue };
        let map = CrushMap::compile(&text(format!("{stem}.txt"))).expect("a sound text");
        let bytes = read(format!("{stem}.bin"));
        assert!(map.encode() == bytes, "{stem}");
        let map = CrushMap::decode(&bytes).expect("a sound map");
        assert_eq!(map.decompile().expect("a tree"), text(format!("{stem}.decompiled.txt")), "{stem}");
        let (mut rule, mut count, mut weights) = (0, 0, Vec::new());
        for line in text(name.clone()).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words[0] == "#" {
                // The tool's options; all devices in but for those with a --weight.
                let after =
                    |option: &str| words.iter().position(|word| *word == option).map(|at| words[at + 1]);
                rule = after("--rule").and_then(|word| word.parse().ok()).expect("a rule");
                count = after("--num-rep").and_then(|word| word.parse().ok()).expect("a number");
                weights = vec![0x1_0000u32; 200];
                for at in (0..words.len()).filter(|at| words[*at] == "--weight") {
                    let device: usize = words[at + 1].parse().expect("a device");
                    weights[device] = (words[at + 2].parse::<f32>().expect("a weight") * 65536.0) as u32;
                }
                continue;
            }
            let x: u32 = words[4].parse().expect("a seed");
            let devices = map.do_rule(rule, x, count, &weights, Some(0));
            let devices: Vec<String> = devices.iter().map(i32::to_string).collect();
            assert_eq!(format!("CRUSH rule {rule} x {x} [{}]", devices.join(",")), line, "{stem}");
            compared += 1;
        }
    }
    assert!(compared > 5000, "{compared}");
}

#[test]
fn text_compiles_to_cephs_bytes() {
    let map = CrushMap::compile(TEXT).expect("the golden text");
    assert!(map.encode() == BINARY);
    assert_eq!(map, CrushMap::decode(BINARY).expect("the golden map"));
    map.validate().expect("a sound map");
}

#[test]
fn binary_decompiles_to_cephs_text_and_back() {
    let map = CrushMap::decode(BINARY).expect("the golden map");
    assert_eq!(map.decompile().expect("a tree"), DECOMPILED);
    assert!(CrushMap::compile(DECOMPILED).expect("the golden text").encode() == BINARY);
}

#[test]
fn a_map_cut_anywhere_is_an_error_or_an_older_map() {
    for cut in 0..BINARY.len() {
        if let Ok(map) = CrushMap::decode(&BINARY[..cut]) {
            // Only at the seams where older versions ended.
            assert!(cut > 7400, "{cut}");
            let _ = map.validate();
        }
    }
}

#[test]
fn a_device_in_no_bucket_keeps_its_name_and_counts() {
    let read = |name: &str| std::fs::read(format!("{}/unlinked.{name}", vectors())).expect("a vector");
    let text = |name: &str| String::from_utf8(read(name)).expect("text");
    let compiled = CrushMap::compile(&text("txt")).expect("a map");
    assert_eq!(compiled.max_devices(), 6);
    assert_eq!(compiled.encode(), read("bin"));
    let map = CrushMap::decode(&read("bin")).expect("a map");
    assert_eq!(map.decompile().expect("names that text can say"), text("decompiled.txt"));
    let show = Show { statistics: true, utilization: true, ..Show::default() };
    let mut out = String::new();
    map.try_out(&Trial { show, ..Trial::default() }, &mut out).expect("a string takes all");
    assert_eq!(out, text("trial.txt"), "rules 0 to 2 are not there, and it says so");
}
