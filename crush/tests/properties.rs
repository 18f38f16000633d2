//! What every mapping must keep to, on maps of all kinds, seeded; no outside tool needed.

mod support;

use std::collections::BTreeSet;

use crush::{Alg, CrushMap, Error, ITEM_NONE, Mode, WEIGHT_ONE};
use support::{Random, random_map};

/// `hosts` hosts of `per_host` devices below one root.
fn flat(hosts: i32, per_host: i32, alg: Alg) -> CrushMap {
    let mut map = CrushMap::new_jewel();
    map.edit(|edit| {
        let root = edit.add_bucket("root", alg, "default")?;
        assert_eq!(root, -1);
        for host in 0..hosts {
            edit.add_bucket("host", Alg::Straw2, &format!("h{host}"))?;
        }
        for host in 0..hosts {
            let name = format!("h{host}");
            let id = edit.map().item_id(&name).expect("just added");
            for device in host * per_host..(host + 1) * per_host {
                edit.insert_osd(device, WEIGHT_ONE, &[("host", &name)])?;
            }
            edit.move_item(id, &[("root", "default")])?;
        }
        edit.add_simple_rule("copies", "default", "host", None, Mode::Firstn)?;
        edit.add_simple_rule("shards", "default", "host", None, Mode::Indep)?;
        Ok::<_, Error>(())
    })
    .expect("a flat map");
    map.validate().expect("a sound map");
    map
}

#[test]
fn no_device_twice_and_the_failure_domain_holds() {
    for alg in [Alg::Uniform, Alg::List, Alg::Tree, Alg::Straw, Alg::Straw2] {
        let map = flat(9, 4, alg);
        let mut weights = vec![WEIGHT_ONE; 36];
        weights[3] = 0;
        weights[20] = WEIGHT_ONE / 3;
        for x in 0..700 {
            for (rule, count) in [(0, 3), (1, 6), (0, 20), (1, 20)] {
                let devices = map.do_rule(rule, x, count, &weights, None);
                let held: Vec<i32> = devices.iter().copied().filter(|device| *device != ITEM_NONE).collect();
                let hosts: BTreeSet<i32> = held.iter().map(|device| device / 4).collect();
                assert_eq!(hosts.len(), held.len(), "{alg:?} rule {rule} x {x}: {devices:?}");
                assert!(!held.contains(&3), "a device of weight 0 was chosen");
                // Nine hosts: every position that can be filled is.
                if count <= 6 {
                    assert_eq!(held.len(), count, "{alg:?} rule {rule} x {x}: {devices:?}");
                }
                assert!(devices.len() <= count);
            }
        }
    }
}

/// Maps every seed twice and counts the positions whose device is not among those of before.
fn moved(before: &CrushMap, after: &CrushMap, rule: u32, weights: [&[u32]; 2], seeds: u32) -> usize {
    (0..seeds)
        .map(|x| {
            let old = before.do_rule(rule, x, 3, weights[0], None);
            let new = after.do_rule(rule, x, 3, weights[1], None);
            new.iter().filter(|device| !old.contains(device)).count()
        })
        .sum()
}

#[test]
fn a_lost_device_moves_little_more_than_its_own() {
    let map = flat(10, 4, Alg::Straw2);
    let all = vec![WEIGHT_ONE; 40];
    let mut less = all.clone();
    less[17] = 0;
    let seeds = 4000;
    let lost = (0..seeds).filter(|x| map.do_rule(0, *x, 3, &all, None).contains(&17)).count();
    let moved = moved(&map, &map, 0, [&all, &less], seeds);
    assert!(moved >= lost && moved <= lost * 5 / 4, "{lost} lost, {moved} moved");
    // Shards keep their places: only the lost position changes, but for collisions.
    let mut displaced = 0;
    for x in 0..seeds {
        let (old, new) = (map.do_rule(1, x, 6, &all, None), map.do_rule(1, x, 6, &less, None));
        displaced += old.iter().zip(&new).filter(|(old, new)| old != new && **old != 17).count();
    }
    let lost = (0..seeds).filter(|x| map.do_rule(1, *x, 6, &all, None).contains(&17)).count();
    assert!(displaced * 4 <= lost, "{displaced} displaced for {lost} lost");
}

#[test]
fn a_new_host_takes_its_share_and_little_else_moves() {
    let before = flat(10, 4, Alg::Straw2);
    let after = flat(11, 4, Alg::Straw2);
    let weights = vec![WEIGHT_ONE; 44];
    let seeds = 4000u32;
    let moved = moved(&before, &after, 0, [&weights, &weights], seeds);
    let least = seeds as usize * 3 / 11;
    assert!(moved >= least * 9 / 10 && moved <= least * 7 / 5, "{moved} moved, {least} is the least");
}

#[test]
fn a_changed_weight_moves_what_it_must_and_to_where_it_must() {
    let before = flat(10, 4, Alg::Straw2);
    let weights = vec![WEIGHT_ONE; 40];
    let seeds = 6000u32;
    for (weight, gains) in [(2 * WEIGHT_ONE, true), (WEIGHT_ONE / 2, false)] {
        let mut after = before.clone();
        after.reweight_item(17, weight).expect("a device");
        // The least that a hierarchy can move: what its host gains or loses of the whole, and what it gains or loses of
        // what the host had.
        let (unit, seats) = (f64::from(weight) / f64::from(WEIGHT_ONE), f64::from(seeds) * 3.0);
        let host = ((3.0 + unit) / (39.0 + unit) - 0.1).abs();
        let within = 0.1 * (unit / (3.0 + unit) - 0.25).abs();
        let least = seats * (host + within);
        let (mut moved, mut astray) = (0, 0);
        for x in 0..seeds {
            let old = before.do_rule(0, x, 3, &weights, None);
            let new = after.do_rule(0, x, 3, &weights, None);
            for device in new.iter().filter(|device| !old.contains(device)) {
                moved += 1;
                // A gain ends on that host, a loss never on that device.
                astray += u32::from(if gains { device / 4 != 4 } else { *device == 17 });
            }
        }
        let (moved, astray) = (f64::from(moved), f64::from(astray));
        assert!(moved > least * 0.8 && moved < least * 1.3, "{weight}: {moved} moved, {least} is the least");
        assert!(astray < moved * 0.2, "{weight}: {astray} of {moved} went astray");
    }
}

#[test]
fn devices_fill_by_weight() {
    let mut map = flat(10, 4, Alg::Straw2);
    map.reweight_item(8, 3 * WEIGHT_ONE).expect("a device");
    map.reweight_item(9, 0).expect("a device");
    let mut counts = [0usize; 40];
    for x in 0..40_000 {
        for device in map.do_rule(0, x, 1, &[WEIGHT_ONE; 40], None) {
            counts[device as usize] += 1;
        }
    }
    let unit = 40_000.0 / 42.0; // 38 devices of one, one of three, one of none; the sum is 41
    assert_eq!(counts[9], 0);
    assert!((counts[8] as f64 / unit - 3.0).abs() < 0.35, "{}", counts[8]);
    assert!(counts[10..].iter().all(|count| (*count as f64 / unit - 1.0).abs() < 0.2), "{counts:?}");
}

#[test]
fn shadow_trees_agree_with_the_classes() {
    let mut compared = 0;
    for seed in 0..120 {
        // Ceph and we refuse the odd text: a rule on a class below uniform buckets.
        let Ok(mut map) = CrushMap::compile(&random_map(&mut Random(seed)).text) else { continue };
        compared += 1;
        // A rebuild without a change gives the same trees with the same ids.
        let before = map.clone();
        map.edit(|_| Ok::<_, Error>(())).expect("no change");
        for (number, class) in before.classes() {
            assert!(number >= 0);
            for bucket in before.buckets().filter(|bucket| !before.is_shadow(bucket.id())) {
                let Some(shadow) = before.shadow(bucket.id(), class) else { continue };
                let wanted: Vec<i32> = before
                    .devices_under(bucket.id())
                    .into_iter()
                    .filter(|device| before.device_class(*device) == Some(class))
                    .collect();
                assert_eq!(before.devices_under(shadow), wanted, "seed {seed}, bucket {}", bucket.id());
                assert_eq!(map.shadow(bucket.id(), class), Some(shadow), "seed {seed}: the id changed");
            }
        }
    }
    assert!(compared > 80);
}

#[test]
fn both_codecs_keep_random_maps() {
    let mut compared = 0;
    for seed in 0..120 {
        let Ok(map) = CrushMap::compile(&random_map(&mut Random(seed)).text) else { continue };
        compared += 1;
        let decoded = CrushMap::decode(&map.encode()).expect("our own bytes");
        assert_eq!(decoded, map, "seed {seed}");
        let text = map.decompile().expect("a tree");
        let again = CrushMap::compile(&text).expect("our own text");
        assert_eq!(again.decompile().expect("a tree"), text, "seed {seed}");
        assert_eq!(again.encode(), map.encode(), "seed {seed}");
    }
    assert!(compared > 80);
}
