//! Changes to a map, by us and by the `crushtool` on PATH: the same map must come out.
//!
//! `CRUSH_LIVE_SEED=N` replays one sequence, `CRUSH_LIVE_MAPS=N` tries more of them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a test that runs a program and reads files"
)]

mod support;
mod tool;

use crush::{CrushMap, Error, Mode, Op};
use support::{Random, random_map};
use tool::{Scratch, TOOL, run, tool_exists};

/// A weight that both sides turn into the same 16.16 number.
fn weight(random: &mut Random) -> (u32, String) {
    let quarters = 1 + random.below(40) as u32;
    (quarters * 0x4000, format!("{:.2}", f64::from(quarters) / 4.0))
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(|word| (*word).to_owned()).collect()
}

/// One random change: what it does to the map, and the tool's options for the same.
fn change(
    random: &mut Random,
    map: &mut CrushMap,
    serial: usize,
) -> Option<(Vec<String>, Result<(), Error>)> {
    let hosts: Vec<(i32, String)> = map
        .buckets()
        .filter(|bucket| bucket.kind() == 1 && !map.is_shadow(bucket.id()))
        .map(|bucket| (bucket.id(), map.item_name(bucket.id()).expect("named").to_owned()))
        .collect();
    let racks: Vec<(i32, String)> = map
        .buckets()
        .filter(|bucket| bucket.kind() == 2 && !map.is_shadow(bucket.id()))
        .map(|bucket| (bucket.id(), map.item_name(bucket.id()).expect("named").to_owned()))
        .collect();
    let devices = map.devices_under(map.item_id("default").expect("a root"));
    match random.below(6) {
        0 => {
            let id = map.max_devices();
            let (name, (weight, text)) = (format!("osd.{id}"), weight(random));
            let host = if random.one_in(2) { format!("new{serial}") } else { random.pick(&hosts).1.clone() };
            let above = if random.one_in(2) && !racks.is_empty() {
                ("rack", random.pick(&racks).1.clone())
            } else {
                ("root", "default".to_owned())
            };
            let result = map.insert_osd(id, weight, &[("host", &host), (above.0, &above.1)]);
            let id = id.to_string();
            Some((
                words(&["--add-item", &id, &text, &name, "--loc", "host", &host, "--loc", above.0, &above.1]),
                result,
            ))
        }
        1 => {
            let device = *random.pick(if devices.is_empty() { return None } else { &devices });
            let (weight, text) = weight(random);
            let name = format!("osd.{device}");
            Some((words(&["--reweight-item", &name, &text]), map.reweight_item(device, weight)))
        }
        2 => {
            let device = *random.pick(if devices.is_empty() { return None } else { &devices });
            Some((words(&["--remove-item", &format!("osd.{device}")]), map.remove_item(device)))
        }
        3 => {
            let (id, host) = random.pick(&hosts).clone();
            let (_, rack) = random.pick(if racks.is_empty() { return None } else { &racks });
            let result = map.move_bucket(id, &[("rack", rack)]);
            Some((words(&["--move", &host, "--loc", "rack", rack]), result))
        }
        4 => {
            let name = format!("rule{serial}x");
            let class = map.classes().next().map(|(_, class)| class.to_owned());
            let domain = *random.pick(&["osd", "host"]);
            let mut options = words(&["--create-replicated-rule", &name, "default", domain]);
            if let Some(class) = &class {
                options.extend(words(&["--device-class", class]));
            }
            let result = map.add_simple_rule(&name, "default", domain, class.as_deref(), Mode::Firstn);
            Some((options, result.map(drop)))
        }
        _ => {
            let (id, host) = random.pick(&hosts).clone();
            if !map.bucket(id).expect("a host").items().is_empty() {
                return None;
            }
            Some((words(&["--remove-item", &host]), map.remove_item(id)))
        }
    }
}

fn compare(seed: u64) -> usize {
    let random = &mut Random(seed ^ 0xed17);
    let mut text = random_map(random).text;
    if let Some(end) = text.find("choose_args") {
        text.truncate(end); // weight sets follow a change in a way of their own: see `Edit`
    }
    // Ceph adds items with no weight first, which no weighted uniform bucket takes.
    if text.contains("alg uniform") || text.contains("alg tree") {
        return 0;
    }
    let scratch = Scratch::new(seed);
    let (before, after) = (scratch.file("before"), scratch.file("after"));
    let Ok(mut map) = CrushMap::compile(&text) else { return 0 };
    map.edit(|_| Ok::<_, Error>(())).expect("no change");
    let mut compared = 0;
    let replay = format!("replay: CRUSH_LIVE_SEED={seed} cargo test --release -p crush --test live_edit");
    for serial in 0..8 {
        std::fs::write(&before, map.encode()).expect("scratch");
        let mut next = map.clone();
        let Some((options, result)) = change(random, &mut next, serial) else { continue };
        let mut arguments = words(&["-i", &before, "-o", &after]);
        arguments.extend(options.clone());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (done, stdout, stderr) = run(&arguments);
        if !done || result.is_err() {
            let said = String::from_utf8_lossy(&stdout).into_owned() + &stderr;
            if said.contains("already at") {
                assert_eq!(next, map, "{options:?}");
                continue;
            }
            if said.contains("Caught signal") {
                continue; // 16.2.15 frees twice on removing the last item of some list buckets
            }
            assert!(!done && result.is_err(), "{options:?}: {result:?}, {TOOL}: {said} {replay}");
            continue;
        }
        let theirs = CrushMap::decode(&std::fs::read(&after).expect("written")).expect("their map");
        let ours = CrushMap::decode(&next.encode()).expect("our map");
        if ours != theirs {
            println!("ours: {ours:#?}\ntheirs: {theirs:#?}");
            panic!("{options:?} gives another map\n{}\n{replay}", map.decompile().expect("a tree"));
        }
        assert!(ours.rules().all(|(_, rule)| rule.steps.iter().any(|step| step.op == Op::Emit)));
        compared += 1;
        map = next;
    }
    compared
}

#[test]
fn changes_give_the_map_that_ceph_gives() {
    if !tool_exists() {
        return;
    }
    if let Ok(seed) = std::env::var("CRUSH_LIVE_SEED") {
        compare(seed.parse().expect("a number"));
        return;
    }
    let maps = std::env::var("CRUSH_LIVE_MAPS").ok().and_then(|maps| maps.parse().ok()).unwrap_or(25);
    let compared: usize = (0..maps).map(compare).sum();
    println!("{compared} changes to {maps} random maps are {TOOL}'s");
    assert!(compared >= maps as usize, "only {compared} changes were compared");
}
