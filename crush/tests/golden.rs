//! Byte for byte against files that Ceph's own tools wrote (tests/vectors/PROVENANCE).

#![allow(clippy::disallowed_methods, reason = "a test reads its golden files")]

use crush::{CrushMap, hash};

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
