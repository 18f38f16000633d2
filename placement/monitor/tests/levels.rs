//! Monitors of several versions, settings with a history, and clocks that differ.

mod common;

use common::{Site, boot};
use placement_map::stats::{Beacon, OsdStats};
use placement_map::status::{Answer, Query};
use placement_map::{ClusterMap, Command, FEATURE_LEVEL, FEATURE_LEVEL_BASE, OsdId, RefusalKind};
use placement_monitor::{MonConfig, Monitor, MonitorError, StoreError};
use stdx::time::WallTime;
use wire_codec::MonMessage;
use wire_codec::mon::{MapUpdate, MonError};

/// The monitor as a program of another level runs it.
fn of_level(site: &Site, at: usize, level: u32) -> MonConfig {
    let config = site.config(at);
    MonConfig { security: config.security.clone().with_level(level), ..config }
}

/// Follows the map of monitor `at` until it is as wanted.
async fn until(site: &Site, at: usize, wanted: impl Fn(&ClusterMap) -> bool) -> ClusterMap {
    loop {
        let mut client = site.dial("client.watch", at).await;
        client.subscribe(0, false, 0).await;
        let mut map = ClusterMap::default();
        while let Some(update) = client.try_update().await {
            match update.map {
                MapUpdate::Same => {}
                MapUpdate::Full(full) => map = *full,
                MapUpdate::Incrementals(steps) => {
                    for step in steps {
                        map.apply_incremental(&step).expect("without a gap");
                    }
                }
            }
            if wanted(&map) {
                return map;
            }
        }
    }
}

/// Starts a monitor whose directory the one before it may still hold for a moment: links that were cut off hold it until
/// their tasks are gone.
async fn started(config: MonConfig) -> Result<Monitor, MonitorError> {
    loop {
        match Monitor::start(config.clone()).await {
            Err(MonitorError::Store(StoreError::InUse { .. })) => tokio::task::yield_now().await,
            other => return other,
        }
    }
}

/// Through monitor `at`, until there is a leader to decide.
async fn command(site: &Site, at: usize, command: Command) -> Result<(), MonError> {
    loop {
        let mut admin = site.dial("client.admin", at).await;
        match admin.try_command(command.clone()).await {
            None | Some(Err(MonError::NoQuorum)) => continue,
            Some(other) => return other.map(drop),
        }
    }
}

fn reset(version: u64) -> Command {
    Command::ConfigReset { who: "client.admin".to_owned(), version }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_rises_when_the_last_old_daemon_is_replaced_and_never_falls() {
    let site = Site::new(3);
    let _first = site.start(0).await;
    let _second = site.start(1).await;
    let old = Monitor::start(of_level(&site, 2, FEATURE_LEVEL_BASE)).await.expect("it starts");
    let map = until(&site, 0, |map| map.epoch.0 > 0).await;
    assert_eq!(map.feature_level, FEATURE_LEVEL_BASE);
    // What the old one could not read is refused, and settings change as they always did.
    match command(&site, 0, reset(0)).await {
        Err(MonError::Refused(refusal)) => assert_eq!(refusal.kind, RefusalKind::Impossible),
        other => panic!("{other:?}"),
    }
    let set = |value: &str| Command::ConfigSet {
        section: "osd".to_owned(),
        key: "osd_max_backfills".to_owned(),
        value: value.to_owned(),
    };
    command(&site, 2, set("3")).await.expect("taken");
    let newer = Command::ConfigSet {
        section: "mon".to_owned(),
        key: "mon_clock_drift_allowed".to_owned(),
        value: "1".to_owned(),
    };
    assert!(matches!(command(&site, 1, newer).await, Err(MonError::Refused(_))), "it knows no such setting");
    old.stop().await.expect("in order");
    let third = started(site.config(2)).await.expect("it starts");
    let map = until(&site, 2, |map| map.feature_level > FEATURE_LEVEL_BASE).await;
    assert_eq!(map.feature_level, FEATURE_LEVEL);

    // The old program again: the others go on without it.
    third.stop().await.expect("in order");
    // It may notice by itself, or wait for the others in vain.
    let again = started(of_level(&site, 2, FEATURE_LEVEL_BASE)).await.ok();
    command(&site, 0, set("4")).await.expect("taken");
    let mut admin = site.dial("client.admin", 0).await;
    let Ok(Answer::Status(status)) = admin.query(Query::Status).await else { panic!("no answer") };
    assert_eq!(status.feature_level, FEATURE_LEVEL);
    let row = status.monitors.iter().find(|mon| mon.name == "mon.2").expect("known");
    assert!(!row.in_quorum, "nothing of the log is given to it");
    drop(again);
}

#[tokio::test]
async fn an_osd_holds_the_level_until_it_says_that_it_can_and_one_that_cannot_does_not_boot() {
    let site = Site::new(1);
    // Founded by an old program, taken over by a new one.
    let old = Monitor::start(of_level(&site, 0, FEATURE_LEVEL_BASE)).await.expect("it starts");
    let mut osd = site.dial("osd.0", 0).await;
    let Command::OsdBoot(newer) = boot(0, 1) else { panic!("a boot") };
    let older = placement_map::OsdBoot { feature_level: 0, nonce: 2, ..newer.clone() };
    osd.command(Command::OsdBoot(newer)).await.expect("booted");
    drop(osd);
    old.stop().await.expect("in order");
    let _mon = started(site.config(0)).await.expect("it starts");
    let map = until(&site, 0, |map| map.is_up(OsdId(0))).await;
    assert_eq!(map.feature_level, FEATURE_LEVEL_BASE, "the OSD has not said what it can do");
    let mut osd = site.dial("osd.0", 0).await;
    let stats = OsdStats { feature_level: FEATURE_LEVEL, version: "0.1.0".to_owned(), ..OsdStats::default() };
    let up_from = map.incarnation(OsdId(0)).expect("up");
    let beacon = Beacon { osd: OsdId(0), up_from, epoch: map.epoch, stats, pgs: vec![] };
    osd.send(MonMessage::Beacon(Box::new(beacon))).await;
    until(&site, 0, |map| map.feature_level == FEATURE_LEVEL).await;
    let refused = osd.command(Command::OsdBoot(older)).await;
    let Err(MonError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert!(refusal.text.contains("newer program"), "{refusal}");
    let mut admin = site.dial("client.admin", 0).await;
    let Ok(Answer::Status(status)) = admin.query(Query::Status).await else { panic!("no answer") };
    let of = |name: &str| status.versions.iter().find(|v| v.name == name).and_then(|v| v.version.clone());
    assert_eq!(of("osd.0").as_deref(), Some("0.1.0"));
    assert_eq!(of("mon.0").as_deref(), Some(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn settings_have_a_history_and_can_be_gone_back_to() {
    let site = Site::new(1);
    let _mon = site.start(0).await;
    let mut admin = site.dial("client.admin", 0).await;
    let set = |value: &str| Command::ConfigSet {
        section: "osd".to_owned(),
        key: "osd_max_backfills".to_owned(),
        value: value.to_owned(),
    };
    admin.command(set("3")).await.expect("taken");
    admin.command(set("5")).await.expect("taken");
    let rm = Command::ConfigRm { section: "osd".to_owned(), key: "osd_max_backfills".to_owned() };
    admin.command(rm).await.expect("taken");
    assert!(admin.command(reset(7)).await.is_err(), "not yet");
    admin.command(reset(1)).await.expect("taken");
    let signed = Command::ConfigChange { who: "client.other".to_owned(), changes: vec![] };
    assert!(matches!(admin.command(signed).await, Err(MonError::Denied { .. })), "nobody signs for others");
    let Ok(Answer::ConfigLog { changes }) = admin.query(Query::ConfigLog).await else { panic!("no answer") };
    let after: Vec<(u64, Option<&str>)> =
        changes.iter().map(|c| (c.version, c.steps[0].after.as_deref())).collect();
    assert_eq!(after, [(4, Some("3")), (3, None), (2, Some("5")), (1, Some("3"))]);
    assert!(changes.iter().all(|c| c.who == "client.admin" && c.at_seconds > 0));
    let map = until(&site, 0, |_| true).await;
    assert_eq!(map.setting("osd.1", "osd_max_backfills"), Some("3"));
}

fn ahead() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WallTime(since.as_nanos() as u64 + 3_000_000_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_differs_is_warned_about() {
    let site = Site::new(3);
    let (_first, _second) = (site.start(0).await, site.start(1).await);
    let _third = Monitor::start(MonConfig { wall: ahead, ..site.config(2) }).await.expect("it starts");
    let line = loop {
        let mut admin = site.dial("client.admin", 0).await;
        let Some(Ok(Answer::Health(health))) = admin.try_query(Query::Health).await else { continue };
        if let Some(check) = health.checks.into_iter().find(|check| check.code == "MON_CLOCK_SKEW") {
            break check.detail.join("; ");
        }
        tokio::task::yield_now().await;
    };
    assert!(line.contains("mon.") && (line.contains("3.0") || line.contains("2.9")), "{line}");
}
