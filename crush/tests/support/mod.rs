//! A seeded generator of random text maps, shared by the test binaries.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fmt::Write;

/// SplitMix64: small, seeded, the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `n`.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A generated map.
pub(crate) struct RandomMap {
    pub(crate) text: String,
    pub(crate) rules: usize,
    pub(crate) devices: usize,
}

struct Block {
    kind: usize,
    name: String,
    id: i32,
    weight: f64,
}

const KINDS: [&str; 6] = ["osd", "host", "rack", "row", "datacenter", "root"];
const CLASSES: [&str; 3] = ["ssd", "hdd", "nvme"];

/// A map of every bucket kind, with classes, choose_args, tunables and rules, as text.
pub(crate) fn random_map(random: &mut Random) -> RandomMap {
    let mut text = String::new();
    tunables(random, &mut text);
    // Now and then a bucket of more items than are hashed together.
    let hosts = if random.one_in(5) { 15 + random.below(40) } else { 2 + random.below(12) };
    let classes = random.below(4);
    // Ceph's compiler makes no shadows from a weighted uniform bucket on, so most maps with classes have none. In the
    // shadows of tree buckets it leaves memory unset and maps by it: no map has trees and classes.
    let algs: &[&str] = match (classes, random.below(6)) {
        (_, 0..2) => &["straw2"],
        (0, _) => &["uniform", "list", "tree", "straw", "straw2"],
        (_, 2) => &["uniform", "list", "straw", "straw2"],
        _ => &["list", "straw", "straw2"],
    };
    let per_host: Vec<usize> = (0..hosts)
        .map(|_| match random.below(15) {
            0 => 0,
            1 => 15 + random.below(25),
            _ => 1 + random.below(6),
        })
        .collect();
    let devices: usize = per_host.iter().sum();
    // Some are declared and stand in no bucket, the highest of them behind a gap.
    let loose = if random.one_in(3) { 1 + random.below(3) } else { 0 };
    let gap = random.below(3);
    let behind = (devices..devices + loose).map(|id| if id + 1 == devices + loose { id + gap } else { id });
    for id in (0..devices).chain(behind) {
        write!(text, "device {id} osd.{id}").unwrap();
        if classes > 0 && !random.one_in(8) {
            write!(text, " class {}", CLASSES[random.below(classes)]).unwrap();
        }
        text.push('\n');
    }
    for (number, kind) in KINDS.iter().enumerate() {
        writeln!(text, "type {number} {kind}").unwrap();
    }
    let ids = random.below(3); // 0: left to the compiler, 1: falling, 2: with gaps
    let mut next_id = 0;
    let mut first = 0;
    let mut level: Vec<Block> = Vec::new();
    let mut blocks = String::new();
    let mut straw2: Vec<(i32, usize)> = Vec::new();
    let mut emit = |random: &mut Random, kind: usize, name: String, items: &[(String, f64)]| {
        let alg = *random.pick(algs);
        next_id -= if ids == 2 { 1 + random.below(3) as i32 } else { 1 };
        writeln!(blocks, "{} {name} {{", KINDS[kind]).unwrap();
        if ids > 0 {
            writeln!(blocks, "\tid {next_id}").unwrap();
        }
        let alg = if alg == "tree" && items.len() > 60 { "straw2" } else { alg };
        writeln!(blocks, "\talg {alg}\n\thash 0").unwrap();
        let mut sum = 0.0;
        for (item, weight) in items {
            // Ceph's own compiler aborts on a uniform bucket without weight.
            let weight = if alg == "uniform" { items[0].1.max(0.5) } else { *weight };
            writeln!(blocks, "\titem {item} weight {weight:.3}").unwrap();
            sum += weight;
        }
        blocks.push_str("}\n");
        if alg == "straw2" {
            straw2.push((next_id, items.len()));
        }
        Block { kind, name, id: next_id, weight: sum }
    };
    for (host, count) in per_host.iter().enumerate() {
        let items: Vec<(String, f64)> =
            (first..first + count).map(|id| (format!("osd.{id}"), random_weight(random))).collect();
        first += count;
        level.push(emit(random, 1, format!("host{host}"), &items));
    }
    let mut kind = 2;
    while kind < KINDS.len() - 1 {
        if random.one_in(2) {
            let groups = 1 + random.below(level.len().min(4));
            let mut groups_of: Vec<Vec<(String, f64)>> = vec![Vec::new(); groups];
            for (index, block) in level.iter().enumerate() {
                groups_of[index % groups].push((block.name.clone(), block.weight));
            }
            level = groups_of
                .iter()
                .enumerate()
                .map(|(index, items)| emit(random, kind, format!("{}{index}", KINDS[kind]), items))
                .collect();
        }
        kind += 1;
    }
    let items: Vec<(String, f64)> = level.iter().map(|block| (block.name.clone(), block.weight)).collect();
    let kinds_below = level[0].kind;
    emit(random, 5, "default".into(), &items);
    text.push_str(&blocks);
    let rules = 3 + random.below(4);
    for rule in 0..rules {
        let class = if classes > 0 && random.one_in(3) { Some(CLASSES[random.below(classes)]) } else { None };
        let class = class.filter(|class| text.contains(&format!(" class {class}\n")));
        random_rule(random, &mut text, rule, class, kinds_below);
    }
    if ids > 0 && random.one_in(2) {
        choose_args(random, &mut text, &straw2);
    }
    RandomMap { text, rules, devices }
}

fn random_weight(random: &mut Random) -> f64 {
    match random.below(10) {
        0 => 0.0,
        1..=4 => 1.0,
        5 => 99.999,
        _ => random.below(12_000) as f64 / 1000.0,
    }
}

fn tunables(random: &mut Random, text: &mut String) {
    let profile: [(&str, usize); 8] = match random.below(4) {
        0 => return, // legacy
        1 => [
            ("choose_local_tries", random.below(4)),
            ("choose_local_fallback_tries", random.below(7)),
            ("choose_total_tries", 1 + random.below(60)),
            ("chooseleaf_descend_once", random.below(2)),
            ("chooseleaf_vary_r", random.below(5)),
            ("chooseleaf_stable", random.below(2)),
            ("straw_calc_version", random.below(2)),
            ("allowed_bucket_algs", 54),
        ],
        _ => [
            ("choose_local_tries", 0),
            ("choose_local_fallback_tries", 0),
            ("choose_total_tries", 50),
            ("chooseleaf_descend_once", 1),
            ("chooseleaf_vary_r", 1),
            ("chooseleaf_stable", 1),
            ("straw_calc_version", 1),
            ("allowed_bucket_algs", 54),
        ],
    };
    for (name, value) in profile {
        writeln!(text, "tunable {name} {value}").unwrap();
    }
}

fn random_rule(random: &mut Random, text: &mut String, id: usize, class: Option<&str>, below: usize) {
    let mode = *random.pick(&["firstn", "indep"]);
    let kind = if mode == "indep" { "erasure" } else { "replicated" };
    writeln!(text, "rule rule{id} {{\n\tid {id}\n\ttype {kind}\n\tmin_size 1\n\tmax_size 10").unwrap();
    for (setter, bound) in [
        ("set_choose_tries", 120),
        ("set_chooseleaf_tries", 10),
        ("set_choose_local_tries", 4),
        ("set_choose_local_fallback_tries", 4),
        ("set_chooseleaf_vary_r", 4),
        ("set_chooseleaf_stable", 2),
    ] {
        if random.one_in(6) {
            writeln!(text, "\tstep {setter} {}", random.below(bound)).unwrap();
        }
    }
    for part in 0..1 + usize::from(random.one_in(6)) {
        let class = class.map(|class| format!(" class {class}")).unwrap_or_default();
        // Now and then from a part of the tree, or a device itself.
        match random.below(12) {
            0 => writeln!(text, "\tstep take host{}", random.below(2)).unwrap(),
            1 if part > 0 && text.contains("device 0 ") => {
                writeln!(text, "\tstep take osd.0\n\tstep emit").unwrap();
                continue;
            }
            _ => writeln!(text, "\tstep take default{class}").unwrap(),
        }
        let count = if part > 0 { -1 } else { [0, 0, 0, 2, -1][random.below(5)] };
        match random.below(4) {
            0 => writeln!(text, "\tstep choose {mode} {count} type osd").unwrap(),
            1 => writeln!(text, "\tstep chooseleaf {mode} {count} type host").unwrap(),
            2 => writeln!(text, "\tstep chooseleaf {mode} {count} type {}", KINDS[below]).unwrap(),
            _ => {
                let wide = 1 + random.below(3);
                writeln!(text, "\tstep choose {mode} {wide} type {}", KINDS[below]).unwrap();
                let last = if below > 1 { "chooseleaf" } else { "choose" };
                let kind = if below > 1 { "host" } else { "osd" };
                writeln!(text, "\tstep {last} {mode} {} type {kind}", 1 + random.below(3)).unwrap();
            }
        }
        writeln!(text, "\tstep emit").unwrap();
    }
    text.push_str("}\n");
}

/// Sets for some straw2 buckets, with one number of positions for the whole set as Ceph wants it.
fn choose_args(random: &mut Random, text: &mut String, straw2: &[(i32, usize)]) {
    let positions = 1 + random.below(3);
    writeln!(text, "choose_args {} {{", random.below(3)).unwrap();
    for (bucket, size) in straw2.iter().filter(|(_, size)| *size > 0) {
        if random.one_in(3) {
            continue;
        }
        writeln!(text, "  {{\n    bucket_id {bucket}\n    weight_set [").unwrap();
        for _ in 0..positions {
            text.push_str("      [ ");
            for _ in 0..*size {
                write!(text, "{:.3} ", random_weight(random)).unwrap();
            }
            text.push_str("]\n");
        }
        text.push_str("    ]\n");
        if random.one_in(3) {
            text.push_str("    ids [ ");
            for _ in 0..*size {
                write!(text, "{} ", random.below(2000) as i32 - 1000).unwrap();
            }
            text.push_str("]\n");
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
}
