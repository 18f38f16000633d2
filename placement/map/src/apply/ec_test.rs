//! Erasure-code profiles and the pools made with them.

use super::apply_test::{boot, boot_of, cluster, ok, pool, refused};
use crate::command::{Command, OsdBoot, PoolCreate};
use crate::ids::{OsdId, PgId};
use crate::pg_row::{RowChange, RowChangeKind};
use crate::pool::PoolKind;
use crate::refusal::RefusalKind;
use crate::state::ClusterState;

fn shards(name: &str, profile: &str) -> Command {
    Command::PoolCreate(PoolCreate { erasure: Some(profile.to_owned()), ..pool(name) })
}
fn profile(name: &str, text: &str) -> Command {
    Command::EcProfileSet { name: name.to_owned(), profile: text.to_owned() }
}
fn text(state: &mut ClusterState, command: &Command) -> String {
    refused(state, command).1
}

#[test]
fn profiles_are_kept_and_impossible_ones_refused() {
    let mut state = cluster(6);
    ok(&mut state, &profile("p42", "k=4 m=2 crush-failure-domain=osd"));
    ok(&mut state, &profile("p42", "k=4 m=2 crush-failure-domain=osd"));
    assert_eq!(
        refused(&mut state, &profile("p42", "k=3 m=2 crush-failure-domain=osd")).0,
        RefusalKind::Exists
    );
    assert!(text(&mut state, &profile("a", "k=4 m=2")).contains("6 hosts"), "there are three hosts");
    assert!(text(&mut state, &profile("a", "k=1 m=2")).contains("k goes from 2"));
    assert!(text(&mut state, &profile("a", "k=4 m=0")).contains("m goes from 1"));
    assert!(text(&mut state, &profile("a b", "k=2 m=1")).contains("no profile name"));
    assert_eq!(state.map().crush.rule_id("erasure_osd"), None, "trying a profile makes no rule");
    ok(&mut state, &Command::EcProfileRm { name: "p42".to_owned() });
    assert_eq!(
        refused(&mut state, &Command::EcProfileRm { name: "p42".to_owned() }).0,
        RefusalKind::NotFound
    );
}

#[test]
fn a_pool_takes_its_shape_from_the_profile_and_the_widest_domain_that_has_places() {
    let mut state = cluster(6);
    ok(&mut state, &profile("p42", "k=4 m=2 crush-failure-domain=osd"));
    ok(&mut state, &shards("a", "p42"));
    ok(&mut state, &shards("b", "k=2 m=1"));
    ok(&mut state, &shards("c", "k=3 m=1"));
    let made = |name: &str| {
        let map = state.map();
        let pool = map.pool(map.pool_id(name).unwrap()).unwrap();
        let rule = map.crush.rule_name(pool.crush_rule).unwrap().to_owned();
        (pool.kind, pool.size, pool.min_size, rule, pool.fewest_shards())
    };
    let erasure = |data, parity| PoolKind::Erasure { data, parity };
    assert_eq!(made("a"), (erasure(4, 2), 6, 5, "erasure_osd".to_owned(), Some(4)));
    assert_eq!(made("b"), (erasure(2, 1), 3, 3, "erasure_host".to_owned(), Some(2)));
    assert_eq!(made("c"), (erasure(3, 1), 4, 4, "erasure_osd".to_owned(), Some(3)));
    let of = state.map().pool(state.map().pool_id("b").unwrap()).unwrap().ec_profile().unwrap();
    assert_eq!((of.failure_domain(), of.stripe_unit()), ("host", 16 << 10));
    assert!(text(&mut state, &shards("d", "none")).contains("no erasure-code profile none"));
    assert!(text(&mut state, &shards("d", "k=6 m=2")).contains("need 8 osds"));
    let min =
        |value: &str| Command::PoolSet { name: "a".into(), key: "min_size".into(), value: value.into() };
    ok(&mut state, &min("4"));
    assert!(text(&mut state, &min("3")).contains("from 4"));
    let size = Command::PoolSet { name: "a".into(), key: "size".into(), value: "7".into() };
    assert!(text(&mut state, &size).contains("profile"));
    let row = state.row(PgId { pool: state.map().pool_id("a").unwrap(), seed: 0 }).unwrap();
    assert_eq!((row.in_sync.len(), row.copies()), (6, 6));
    assert_eq!(row.shards.values().copied().collect::<std::collections::BTreeSet<u8>>().len(), 6);
}

#[test]
fn local_groups_get_racks_of_their_own() {
    let mut state = cluster(0);
    for id in 0..8 {
        let location =
            vec![("host".to_owned(), format!("h{id}")), ("rack".to_owned(), format!("rack{}", id / 4))];
        ok(&mut state, &Command::OsdBoot(OsdBoot { location, ..boot_of(id, 1) }));
    }
    ok(&mut state, &shards("a", "plugin=lrc k=4 m=2 l=3 crush-locality=rack crush-failure-domain=host"));
    let pool = state.map().pool_id("a").unwrap();
    assert_eq!(state.map().pool(pool).unwrap().fewest_shards(), Some(6));
    for seed in 0..8 {
        let up = &state.mapping().up(PgId { pool, seed }).unwrap().set;
        let racks: Vec<u32> = up.iter().map(|osd| osd.0 / 4).collect();
        assert!(
            racks[..4].iter().all(|r| *r == racks[0]) && racks[4..].iter().all(|r| *r == racks[4]),
            "{up:?}"
        );
        assert_ne!(racks[0], racks[4]);
    }
}

#[test]
fn whoever_starts_before_an_activation_voids_the_proposals_for_it() {
    let mut state = cluster(6);
    ok(&mut state, &shards("a", "k=4 m=2"));
    let pg = PgId { pool: state.map().pool_id("a").unwrap(), seed: 0 };
    let before = state.row(pg).unwrap().clone();
    let primary = before.primary.unwrap();
    let other = before.in_sync.iter().copied().find(|osd| *osd != primary).unwrap();
    ok(&mut state, &Command::MarkDown { osds: vec![(other, None)] });
    ok(&mut state, &boot(other.0, 2));
    let after = state.row(pg).unwrap().clone();
    assert!(after.revision > before.revision && !after.activated && after.in_sync == before.in_sync);
    // With two shards fewer than it takes nobody activates it.
    let three: Vec<OsdId> = std::iter::once(primary)
        .chain(after.in_sync.iter().copied().filter(|o| *o != primary))
        .take(3)
        .collect();
    let kind = RowChangeKind::Activate { in_sync: three };
    let change = RowChange { pg, from: primary, revision: after.revision, kind };
    ok(&mut state, &Command::Rows(vec![change]));
    assert_eq!(state.row(pg), Some(&after));
}
