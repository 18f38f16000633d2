//! Changes to the tree and the rules: what they do, and what they refuse with which words.

use crate::apply::apply_test::{boot_of, cluster, ok, pool, refused};
use crate::command::{Command, PoolCreate};
use crate::crush_change::CrushChange;
use crate::ids::OsdId;
use crate::osd::WEIGHT_ONE;
use crate::refusal::RefusalKind;
use crate::state::ClusterState;

fn change(change: CrushChange) -> Command {
    Command::Crush { change, force: false }
}

fn add(name: &str, kind: &str) -> Command {
    change(CrushChange::AddBucket { name: name.to_owned(), kind: kind.to_owned() })
}

fn to(name: &str, location: &str) -> CrushChange {
    let location = crate::location::parse(location).expect("a location");
    CrushChange::Move { name: name.to_owned(), location }
}

fn rm(name: &str) -> Command {
    change(CrushChange::Rm { name: name.to_owned() })
}

fn rule(name: &str, root: &str, domain: &str, class: Option<&str>) -> Command {
    change(CrushChange::RuleCreate {
        name: name.to_owned(),
        root: root.to_owned(),
        domain: domain.to_owned(),
        class: class.map(str::to_owned),
        erasure: false,
        zone_members: 0,
    })
}

fn says(state: &mut ClusterState, command: &Command, kind: RefusalKind, words: &str) {
    let (is, text) = refused(state, command);
    assert!(is == kind && text.contains(words), "{command:?}: {is:?} {text}");
}

#[test]
fn racks_are_added_and_hosts_moved_into_them() {
    let mut state = cluster(6); // three hosts of two
    for n in 0..3 {
        ok(&mut state, &add(&format!("r{n}"), "rack"));
        ok(&mut state, &change(to(&format!("r{n}"), "root=default")));
        ok(&mut state, &change(to(&format!("host{n}"), &format!("root=default rack=r{n}"))));
    }
    let location = state.map().crush.location_of(4);
    let kinds: Vec<&str> = location.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(kinds, ["host2", "r2", "default"]);
    state.map().crush.validate().expect("a sound map");
    ok(&mut state, &Command::PoolCreate(PoolCreate { failure_domain: Some("rack".to_owned()), ..pool("a") }));
    // An OSD that boots again stays where its host went.
    ok(&mut state, &Command::OsdBoot(boot_of(4, 2)));
    assert_eq!(state.map().crush.location_of(4), location);
    says(&mut state, &change(to("r0", "rack=r1")), RefusalKind::Invalid, "rack r1 cannot hold rack r0");
    says(&mut state, &change(to("default", "rack=r1")), RefusalKind::Invalid, "that would be a cycle");
    says(&mut state, &change(to("host0", "rack=r9")), RefusalKind::NotFound, "add-bucket r9 rack");
    says(&mut state, &change(to("host0", "rack=host1")), RefusalKind::Invalid, "host host1 is no rack");
    says(&mut state, &change(to("host0", "shelf=r1")), RefusalKind::NotFound, "there is no type \"shelf\"");
    says(&mut state, &change(to("host7", "rack=r1")), RefusalKind::NotFound, "has no \"host7\"");
    ok(&mut state, &add("dc1", "datacenter"));
    says(
        &mut state,
        &change(to("host0", "rack=r1 datacenter=dc1")),
        RefusalKind::Impossible,
        "rack r1 is not in",
    );
    let CrushChange::Move { name, .. } = to("host0", "") else { unreachable!() };
    says(&mut state, &change(CrushChange::Move { name, location: vec![] }), RefusalKind::Invalid, "where to");
}

#[test]
fn an_osd_stays_where_it_was_moved_to() {
    let mut state = cluster(4);
    ok(&mut state, &add("new", "host"));
    ok(&mut state, &change(to("new", "root=default")));
    ok(&mut state, &change(to("osd.3", "host=new")));
    let host = |state: &ClusterState| state.map().crush.location_of(3)[0].1.clone();
    ok(&mut state, &Command::OsdBoot(boot_of(3, 2)));
    assert_eq!(host(&state), "new", "and not back to host1 by its boot");
    says(&mut state, &change(to("osd.3", "root=default")), RefusalKind::Invalid, "hangs below a host");
    ok(&mut state, &Command::MarkDown { osds: vec![(OsdId(3), None)] });
    ok(&mut state, &Command::OsdRm { osd: OsdId(3), force: false });
    ok(&mut state, &Command::OsdBoot(boot_of(3, 3)));
    assert_eq!(host(&state), "host1", "another OSD under the number is another OSD");
}

#[test]
fn a_move_that_leaves_a_pool_without_members_needs_force() {
    let mut state = cluster(6);
    ok(&mut state, &Command::PoolCreate(pool("a")));
    ok(&mut state, &add("away", "rack"));
    says(&mut state, &change(to("host0", "rack=away")), RefusalKind::Unsafe, "need 3 hosts");
    ok(&mut state, &Command::Crush { change: to("host0", "rack=away"), force: true });
    // What was short before is not held against the next change.
    ok(&mut state, &change(to("host1", "rack=away")));
    let zero = |name: &str| change(CrushChange::Reweight { name: name.to_owned(), weight: 0 });
    let mut state = cluster(6);
    ok(&mut state, &Command::PoolCreate(pool("a")));
    ok(&mut state, &zero("osd.0"));
    says(&mut state, &zero("osd.1"), RefusalKind::Unsafe, "need 3 hosts");
    says(&mut state, &zero("default"), RefusalKind::Unsafe, "need 3 hosts");
}

#[test]
fn names_and_kinds_of_buckets_are_checked() {
    let mut state = cluster(2);
    says(&mut state, &add("a b", "rack"), RefusalKind::Invalid, "'a b' is no name");
    says(&mut state, &add("x", "osd"), RefusalKind::Invalid, "by booting");
    says(&mut state, &add("osd.9", "rack"), RefusalKind::Invalid, "the name of an OSD");
    says(&mut state, &add("x", "shelf"), RefusalKind::NotFound, "datacenter");
    says(&mut state, &add("host0", "rack"), RefusalKind::Exists, "host host0 exists");
    says(&mut state, &add("default~ssd", "rack"), RefusalKind::Invalid, "is no name");
}

#[test]
fn weights_are_carried_up_and_bounded() {
    let mut state = cluster(2);
    let weigh = |name: &str, weight: u32| change(CrushChange::Reweight { name: name.to_owned(), weight });
    ok(&mut state, &weigh("osd.0", 3 * WEIGHT_ONE));
    let root = state.map().crush.item_id("default").expect("a root");
    assert_eq!(state.map().crush.item_weight(root), Some(4 * WEIGHT_ONE));
    ok(&mut state, &weigh("host0", 2 * WEIGHT_ONE));
    assert_eq!(state.map().crush.item_weight(root), Some(4 * WEIGHT_ONE));
    says(&mut state, &weigh("osd.0", u32::MAX), RefusalKind::Invalid, "0 to 32767");
    says(&mut state, &weigh("osd.7", 1), RefusalKind::NotFound, "osd.7");
    says(&mut state, &weigh("host0", 32_767 * WEIGHT_ONE + 1), RefusalKind::Invalid, "0 to 32767");
}

#[test]
fn what_is_in_use_is_not_removed() {
    let mut state = cluster(6);
    ok(&mut state, &Command::PoolCreate(pool("a")));
    says(&mut state, &rm("host0"), RefusalKind::Unsafe, "still holds osd.0, osd.1");
    says(&mut state, &rm("osd.0"), RefusalKind::Unsafe, "nacre osd rm 0");
    says(&mut state, &rm("nowhere"), RefusalKind::NotFound, "nowhere");
    ok(&mut state, &add("east", "datacenter"));
    ok(&mut state, &rule("in_east", "east", "host", None));
    says(&mut state, &rm("east"), RefusalKind::Unsafe, "rule in_east starts from datacenter east");
    let rule_rm = |name: &str| change(CrushChange::RuleRm { name: name.to_owned() });
    says(&mut state, &rule_rm("replicated_host"), RefusalKind::Unsafe, "places the pools a");
    says(&mut state, &rule_rm("gone"), RefusalKind::NotFound, "no rule gone");
    ok(&mut state, &rule_rm("in_east"));
    ok(&mut state, &rm("east"));
    assert_eq!(state.map().crush.item_id("east"), None);
}

#[test]
fn rules_and_classes() {
    let mut state = cluster(6);
    says(&mut state, &rule("fast", "default", "host", Some("ssd")), RefusalKind::NotFound, "class \"ssd\"");
    let class = |class: Option<&str>, osds: &[u32]| {
        let osds = osds.iter().copied().map(OsdId).collect();
        change(CrushChange::SetDeviceClass { class: class.map(str::to_owned), osds })
    };
    ok(&mut state, &class(Some("ssd"), &[0, 2, 4]));
    ok(&mut state, &rule("fast", "default", "host", Some("ssd")));
    says(&mut state, &rule("fast", "default", "host", None), RefusalKind::Exists, "fast");
    says(&mut state, &rule("r", "nowhere", "host", None), RefusalKind::NotFound, "nowhere");
    says(&mut state, &rule("r", "default", "shelf", None), RefusalKind::NotFound, "shelf");
    says(&mut state, &rule("r", "host0", "rack", None), RefusalKind::Invalid, "no racks below");
    says(&mut state, &rule("a/b", "default", "host", None), RefusalKind::Invalid, "is no name");
    let on_fast = PoolCreate { device_class: Some("ssd".to_owned()), ..pool("a") };
    ok(&mut state, &Command::PoolCreate(on_fast));
    let up = state.map().pgs().map(|pg| state.mapping().up(pg).expect("mapped").set.clone());
    assert!(up.flatten().all(|osd| osd.0 % 2 == 0));
    says(
        &mut state,
        &class(None, &[4]),
        RefusalKind::Unsafe,
        "need 3 hosts with OSDs below root default~ssd",
    );
    says(&mut state, &class(Some("s s"), &[0]), RefusalKind::Invalid, "is no name");
    says(&mut state, &class(Some("hdd"), &[77]), RefusalKind::NotFound, "osd.77");
    ok(&mut state, &class(Some("hdd"), &[1, 3, 5]));
    assert_eq!(state.map().crush.device_class(5), Some("hdd"));
    state.map().crush.validate().expect("a sound map");
}

#[test]
fn a_rule_for_shards_spreads_over_three_datacenters() {
    let mut state = cluster(12); // six hosts of two
    let make = |name: &str, domain: &str, root: &str, zone_members| {
        change(CrushChange::RuleCreate {
            name: name.to_owned(),
            root: root.to_owned(),
            domain: domain.to_owned(),
            class: None,
            erasure: true,
            zone_members,
        })
    };
    for n in 0..3 {
        ok(&mut state, &add(&format!("dc{n}"), "datacenter"));
        ok(&mut state, &change(to(&format!("dc{n}"), "root=default")));
        for host in [2 * n, 2 * n + 1] {
            ok(&mut state, &change(to(&format!("host{host}"), &format!("root=default datacenter=dc{n}"))));
        }
    }
    ok(&mut state, &make("shards", "host", "default", 2));
    let crush = &state.map().crush;
    let rule = crush.rule_id("shards").expect("made");
    let weights = vec![crush::WEIGHT_ONE; 12];
    for x in 0..200 {
        let up = crush.do_rule(rule, x, 6, &weights, None);
        let mut zones = [0; 3];
        let hosts: std::collections::BTreeSet<i32> = up.iter().map(|osd| osd / 2).collect();
        up.iter().for_each(|osd| zones[(osd / 4) as usize] += 1);
        assert_eq!((zones, hosts.len()), ([2, 2, 2], 6), "{up:?}");
    }
    says(&mut state, &make("a", "host", "default", 17), RefusalKind::Invalid, "1 to 16");
    says(&mut state, &make("a", "host", "dc0", 2), RefusalKind::Invalid, "above them");
    says(&mut state, &make("a", "datacenter", "default", 2), RefusalKind::Invalid, "above them");
}
