//! Pools by named shapes: which rule they get, where their copies then lie, and what is refused with which words.

use super::apply_test::{boot_of, bootstrap, ok, pool, refused};
use crate::command::{Command, PoolCreate};
use crate::ids::{OsdId, PoolId};
use crate::pool_placement::PoolPlacement;
use crate::refusal::RefusalKind;
use crate::state::ClusterState;
use std::collections::BTreeSet;

/// `hosts[d]` hosts in datacenter `d`, each with an ssd and an hdd.
fn cluster(hosts: &[u32]) -> ClusterState {
    let mut state = ClusterState::default();
    ok(&mut state, &bootstrap());
    let mut id = 0;
    for (dc, hosts) in hosts.iter().enumerate() {
        for host in 0..*hosts {
            for class in ["ssd", "hdd"] {
                let mut osd = boot_of(id, 1);
                let pair = |kind: &str, name: String| (kind.to_owned(), name);
                osd.location = vec![
                    pair("host", format!("h{dc}{host}")),
                    pair("rack", format!("r{dc}")),
                    pair("datacenter", format!("dc{dc}")),
                ];
                osd.device_class = Some(class.to_owned());
                ok(&mut state, &Command::OsdBoot(osd));
                id += 1;
            }
        }
    }
    state
}

fn rule_of(state: &ClusterState, name: &str) -> String {
    let pool = &state.map().pools[&state.map().pool_id(name).expect("made")];
    state.map().crush.rule_name(pool.crush_rule).expect("a rule").to_owned()
}

/// For each PG of a pool, the buckets of a type its members are in, one a member.
fn places(state: &ClusterState, id: PoolId, kind: &str) -> Vec<Vec<String>> {
    let of = |osd: &OsdId| {
        let location = state.map().crush.location_of(osd.0 as i32);
        location.into_iter().find(|(level, _)| level == kind).map(|(_, name)| name).expect("a level")
    };
    let pgs = state.map().pgs().filter(|pg| pg.pool == id);
    pgs.map(|pg| state.mapping().up(pg).expect("mapped").set.iter().map(of).collect()).collect()
}

fn create(state: &mut ClusterState, create: PoolCreate) -> PoolId {
    let name = create.name.clone();
    ok(state, &Command::PoolCreate(PoolCreate { pg_num: Some(64), ..create }));
    state.map().pool_id(&name).expect("made")
}

#[test]
fn multi_az_survives_the_loss_of_any_datacenter() {
    let mut state = cluster(&[3, 3, 3]);
    let multi = |size, name| PoolCreate { size: Some(size), placement: PoolPlacement::MultiAz, ..pool(name) };
    let (three, six) = (create(&mut state, multi(3, "three")), create(&mut state, multi(6, "six")));
    assert_eq!(rule_of(&state, "three"), "replicated_multi_az");
    assert_eq!(rule_of(&state, "six"), "replicated_multi_az_2_host");
    for (id, each) in [(three, 1), (six, 2)] {
        let min_size = state.map().pools[&id].min_size as usize;
        for zones in places(&state, id, "datacenter") {
            for zone in ["dc0", "dc1", "dc2"] {
                let here = zones.iter().filter(|name| *name == zone).count();
                assert_eq!(here, each, "{zones:?}");
                assert!(zones.len() - here >= min_size, "written to without {zone} as well");
            }
        }
        for hosts in places(&state, id, "host") {
            assert_eq!(hosts.iter().collect::<BTreeSet<_>>().len(), hosts.len(), "{hosts:?}");
        }
    }
    let (kind, text) = refused(&mut state, &Command::PoolCreate(multi(4, "four")));
    assert!(kind == RefusalKind::Invalid && text.contains("3, 6 or 9, not 4"), "{text}");
    let mut two = cluster(&[3, 3]);
    let (kind, text) = refused(&mut two, &Command::PoolCreate(multi(3, "three")));
    let wanted = "need 3 datacenters with OSDs below root default, and there are 2";
    assert!(kind == RefusalKind::Impossible && text.contains(wanted), "{text}");
    // Two copies in a datacenter of one host share it, unless its host was asked for as the domain.
    let mut small = cluster(&[2, 2, 1]);
    let hosts = PoolCreate { failure_domain: Some("host".to_owned()), ..multi(6, "hosts") };
    let (_, text) = refused(&mut small, &Command::PoolCreate(hosts));
    assert!(text.contains("need 2 hosts with OSDs below datacenter dc2, and there are 1"), "{text}");
    create(&mut small, multi(6, "six"));
    assert_eq!(rule_of(&small, "six"), "replicated_multi_az_2_osd");
}

#[test]
fn one_zone_stays_in_its_datacenter_and_in_its_class() {
    let mut state = cluster(&[3, 3, 1]);
    let zone = |name: &str, dc: &str, class: Option<&str>| PoolCreate {
        placement: PoolPlacement::OneZone { datacenter: dc.to_owned() },
        device_class: class.map(str::to_owned),
        ..pool(name)
    };
    let fast = create(&mut state, zone("fast", "dc1", Some("ssd")));
    assert_eq!(rule_of(&state, "fast"), "replicated_one_zone_dc1_host_ssd");
    for zones in places(&state, fast, "datacenter") {
        assert_eq!(zones, ["dc1", "dc1", "dc1"]);
    }
    let sets = state.map().pgs().map(|pg| state.mapping().up(pg).expect("mapped").set.clone());
    assert!(sets.flatten().all(|osd| osd.0 % 2 == 0), "ssds have the even numbers");
    for (create, wanted) in [
        (zone("a", "dc9", None), "there are dc0, dc1, dc2"),
        (zone("a", "r1", None), "there is no datacenter \"r1\""),
        (zone("a", "dc1", Some("nvme")), "there are ssd, hdd"),
        (zone("a", "dc2", None), "need 3 osds below datacenter dc2, and there are 2"),
    ] {
        let (_, text) = refused(&mut state, &Command::PoolCreate(create));
        assert!(text.contains(wanted), "{text}");
    }
    assert_eq!(state.map().crush.rules().count(), 1, "a refused pool leaves no rule behind");
}

#[test]
fn a_size_that_the_rule_cannot_place_is_refused_later_too() {
    let mut state = cluster(&[2, 2]);
    let hosts = PoolCreate { failure_domain: Some("host".to_owned()), ..pool("a") };
    create(&mut state, hosts);
    let set = |key: &str, value: &str| Command::PoolSet {
        name: "a".to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let (_, text) = refused(&mut state, &set("size", "5"));
    assert!(text.contains("need 5 hosts"), "{text}");
    let (_, text) = refused(&mut state, &set("failure_domain", "datacenter"));
    assert!(text.contains("need 3 datacenters"), "{text}");
    ok(&mut state, &set("size", "2"));
    ok(&mut state, &set("failure_domain", "datacenter"));
    assert_eq!(rule_of(&state, "a"), "replicated_datacenter");
    let (kind, _) = refused(&mut state, &set("crush_rule", "nowhere"));
    assert_eq!(kind, RefusalKind::NotFound);
    ok(&mut state, &set("crush_rule", "replicated_host"));
    assert_eq!(rule_of(&state, "a"), "replicated_host");
    let by_rule =
        PoolCreate { placement: PoolPlacement::Rule { name: "replicated_host".to_owned() }, ..pool("b") };
    create(&mut state, by_rule.clone());
    assert_eq!(rule_of(&state, "b"), "replicated_host");
    let both = PoolCreate { name: "c".to_owned(), failure_domain: Some("osd".to_owned()), ..by_rule };
    assert_eq!(refused(&mut state, &Command::PoolCreate(both)).0, RefusalKind::Invalid);
}
