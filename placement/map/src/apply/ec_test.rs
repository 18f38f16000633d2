//! Erasure-code profiles and the pools made with them.

use super::apply_test::{activate_all, boot, boot_of, cluster, ok, pool, refused};
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
    assert!(text(&mut state, &profile("a", "k=4 m=0")).contains("--yes-i-accept-data-loss"));
    assert!(text(&mut state, &profile("a", "k=4 m=17")).contains("m goes from 1"));
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

#[test]
fn a_pool_without_parity_is_made_only_if_that_is_meant() {
    let mut state = cluster(6);
    let refusal = refused(&mut state, &shards("a", "k=4 m=0 crush-failure-domain=osd"));
    assert_eq!(refusal.0, RefusalKind::Unsafe);
    assert!(refusal.1.contains("--yes-i-accept-data-loss"), "{}", refusal.1);
    assert_eq!(state.map().crush.rule_id("erasure_osd"), None, "and nothing is left of it");
    let meant = PoolCreate {
        erasure: Some("k=4 m=0 crush-failure-domain=osd".to_owned()),
        accept_data_loss: true,
        ..pool("a")
    };
    ok(&mut state, &Command::PoolCreate(meant));
    let made = state.map().pool(state.map().pool_id("a").unwrap()).unwrap();
    assert_eq!((made.size, made.min_size, made.fewest_shards()), (4, 4, Some(4)));
}

#[test]
fn a_companion_is_a_replicated_pool_that_stays() {
    let mut state = cluster(6);
    let with = |name: &str, companion: &str| {
        let erasure = Some("k=2 m=1 crush-failure-domain=osd".to_owned());
        Command::PoolCreate(PoolCreate { erasure, companion: Some(companion.to_owned()), ..pool(name) })
    };
    let set = |name: &str, companion: &str| Command::PoolSet {
        name: name.into(),
        key: "companion".into(),
        value: companion.into(),
    };
    let rm = |name: &str| Command::PoolRm { name: name.to_owned() };
    assert_eq!(refused(&mut state, &with("coded", "meta")).0, RefusalKind::NotFound);
    ok(&mut state, &Command::PoolCreate(pool("meta")));
    ok(&mut state, &Command::PoolCreate(pool("other")));
    ok(&mut state, &with("coded", "meta"));
    let of = |state: &ClusterState, name: &str| {
        let made = state.map().pool(state.map().pool_id(name).unwrap()).unwrap();
        made.companion().map(str::to_owned)
    };
    assert_eq!(of(&state, "coded").as_deref(), Some("meta"));
    assert!(text(&mut state, &with("more", "coded")).contains("erasure-coded itself"));
    let plain = PoolCreate { companion: Some("meta".to_owned()), ..pool("plain") };
    assert!(text(&mut state, &Command::PoolCreate(plain)).contains("only an erasure-coded pool"));
    let refusal = refused(&mut state, &rm("meta"));
    assert_eq!(refusal.0, RefusalKind::Unsafe);
    assert!(refusal.1.contains("remove coded first"), "{}", refusal.1);

    assert_eq!(refused(&mut state, &set("coded", "other")).0, RefusalKind::Impossible);
    assert!(text(&mut state, &set("other", "meta")).contains("only an erasure-coded pool"));
    ok(&mut state, &shards("later", "k=2 m=1 crush-failure-domain=osd"));
    assert!(text(&mut state, &set("later", "nothing")).contains("no pool nothing"));
    ok(&mut state, &set("later", "meta"));
    ok(&mut state, &set("later", "meta"));
    ok(&mut state, &rm("coded"));
    assert!(text(&mut state, &rm("meta")).contains("remove later first"));
    ok(&mut state, &rm("later"));
    ok(&mut state, &rm("meta"));
}

#[test]
fn erasure_coded_pools_have_snapshots() {
    let mut state = cluster(6);
    ok(&mut state, &shards("a", "k=2 m=1 crush-failure-domain=osd"));
    let pool = state.map().pool_id("a").unwrap();
    ok(&mut state, &Command::SnapCreate { pool });
    assert_eq!(state.map().pool(pool).unwrap().snaps.seq, 1);
}

#[test]
fn a_pg_that_lost_too_many_shards_begins_anew_when_it_is_given_up() {
    let mut state = cluster(3);
    ok(&mut state, &shards("a", "k=2 m=1 crush-failure-domain=osd"));
    activate_all(&mut state);
    let pg = PgId { pool: state.map().pool_id("a").unwrap(), seed: 0 };
    let recreate = Command::PgRecreate { pg };
    assert_eq!(refused(&mut state, &recreate).0, RefusalKind::Unsafe, "nothing is lost");
    for id in [1, 2] {
        ok(&mut state, &Command::MarkDown { osds: vec![(OsdId(id), None)] });
        ok(&mut state, &Command::OsdRm { osd: OsdId(id), force: true });
    }
    let lost = state.row(pg).unwrap().clone();
    assert!(lost.lost && lost.shards.len() == 1, "{lost:?}");
    assert!(text(&mut state, &recreate).contains("it takes 2"));
    ok(&mut state, &boot(1, 5));
    ok(&mut state, &boot(2, 5));
    assert!(state.row(pg).unwrap().lost, "new stores do not make it whole");
    ok(&mut state, &recreate);
    let row = state.row(pg).unwrap();
    assert!(!row.lost && !row.activated && row.interval > lost.interval);
    assert_eq!((row.born, row.in_sync.len(), row.copies()), (row.interval, 3, 3), "{row:?}");
}

#[test]
fn only_pools_of_shards_read_in_a_hurry() {
    let mut state = cluster(6);
    ok(&mut state, &shards("a", "k=2 m=1"));
    ok(&mut state, &Command::PoolCreate(pool("copies")));
    let set = |name: &str, value: &str| Command::PoolSet {
        name: name.into(),
        key: "fast_read".into(),
        value: value.into(),
    };
    let on = |state: &ClusterState| {
        let map = state.map();
        map.pool(map.pool_id("a").unwrap()).unwrap().fast_read()
    };
    assert!(!on(&state));
    for (value, wanted) in [("true", true), ("0", false), ("1", true), ("false", false)] {
        ok(&mut state, &set("a", value));
        assert_eq!(on(&state), wanted, "{value}");
    }
    assert!(text(&mut state, &set("a", "yes")).contains("true or false"));
    assert!(text(&mut state, &set("copies", "true")).contains("this pool has copies"));
    ok(&mut state, &set("copies", "false"));
}
