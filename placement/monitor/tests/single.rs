//! One monitor, over real links: it leads at once, keeps what it acknowledged, tells subscribers.

mod common;

use common::{Site, boot, name};
use placement_map::stats::{Beacon, OsdStats};
use placement_map::status::{Answer, Query, Severity};
use placement_map::{Command, CommandReply, Epoch, OsdId, PoolCreate};
use placement_monitor::{Monitor, MonitorError, StoreError, inspect, mkfs};
use wire_codec::MonMessage;
use wire_codec::mon::{FailureReport, MapUpdate, MonError};
use wire_transport::TransportError;

fn epoch_of(reply: &CommandReply) -> Epoch {
    match reply {
        CommandReply::Done { epoch }
        | CommandReply::Osd { epoch, .. }
        | CommandReply::Snap { epoch, .. }
        | CommandReply::Pool { epoch, .. } => *epoch,
        CommandReply::Rows { .. } => panic!("{reply:?}"),
    }
}

#[tokio::test]
async fn commands_survive_restarts_and_subscribers_hear_of_them() {
    let site = Site::new(1);
    let mon = site.start(0).await;
    let mut osd = site.dial("osd.0", 0).await;
    osd.subscribe(0, true, 0).await;
    let reply = osd.command(boot(0, 1)).await.expect("booted");
    let up = epoch_of(&reply);
    let mut admin = site.dial("client.admin", 0).await;
    let create = PoolCreate { name: "a".to_owned(), size: Some(1), pg_num: Some(4), ..PoolCreate::default() };
    let made = epoch_of(&admin.command(Command::PoolCreate(create)).await.expect("made"));

    // The OSD sees every epoch once, in order, and the rows with the map that made them.
    let (mut map, mut rows) = (placement_map::ClusterMap::default(), 0);
    while map.epoch < made {
        let update = osd.update().await;
        match update.map {
            MapUpdate::Same => {}
            MapUpdate::Full(full) => map = *full,
            MapUpdate::Incrementals(steps) => {
                for step in steps {
                    map.apply_incremental(&step).expect("without a gap");
                }
            }
        }
        rows += update.rows.len();
    }
    assert!(map.is_up(OsdId(0)) && map.incarnation(OsdId(0)) == Some(up));
    assert_eq!(rows, 4);

    let mut last = made;
    for n in 0..200 {
        let flip = Command::SetFlag { flag: "nobackfill".to_owned(), on: n % 2 == 0 };
        last = epoch_of(&admin.command(flip).await.expect("taken"));
    }

    // Stopped in order, and stopped as by a crash: all is there again.
    mon.stop().await.expect("it stops");
    for round in 0..2 {
        let mon = site.start(0).await;
        // It applies its log again meanwhile; what it tells first is the present all the same.
        let mut early = site.dial("client.a", 0).await;
        early.subscribe(0, false, 0).await;
        let MapUpdate::Full(first) = early.update().await.map else {
            panic!("a new subscriber gets a whole map")
        };
        assert!(first.epoch >= last, "{:?} of {last:?}", first.epoch);
        let mut admin = site.dial("client.admin", 0).await;
        let reply = admin.command(Command::SetFlag { flag: "noout".to_owned(), on: round == 0 }).await;
        last = epoch_of(&reply.expect("taken"));
        assert!(last > made);
        let Ok(Answer::PoolLs { pools }) = admin.query(Query::PoolLs).await else { panic!("no answer") };
        assert_eq!(pools[0].name, "a");
        match round {
            0 => drop(mon),
            _ => mon.stop().await.expect("it stops"),
        }
        // A crash lets go of the file when the runtime has dropped the tasks.
        while matches!(
            inspect(&site.mon_dir(&name("mon.0"))),
            Err(MonitorError::Store(StoreError::InUse { .. }))
        ) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn reports_make_an_osd_down_and_status_explains() {
    let site = Site::new(1);
    let _mon = site.start(0).await;
    let mut osds = Vec::new();
    for id in 0..3 {
        let mut osd = site.dial(&format!("osd.{id}"), 0).await;
        osd.command(boot(id, 1)).await.expect("booted");
        osds.push(osd);
    }
    let mut admin = site.dial("client.admin", 0).await;
    admin.subscribe(0, true, 0).await;
    let MapUpdate::Full(mut map) = admin.update().await.map else { panic!("the whole map comes first") };
    let incarnation = map.incarnation(OsdId(2)).expect("up");
    for id in 0..2 {
        let feature_level = placement_map::FEATURE_LEVEL;
        let stats = OsdStats { total_bytes: 1000, used_bytes: 900, feature_level, ..OsdStats::default() };
        let up_from = map.incarnation(OsdId(id)).expect("up");
        let beacon = Beacon { osd: OsdId(id), up_from, epoch: map.epoch, stats, pgs: vec![] };
        osds[id as usize].send(MonMessage::Beacon(Box::new(beacon))).await;
    }
    let report = |from: u32| FailureReport {
        from: OsdId(from),
        target: OsdId(2),
        incarnation,
        refused: false,
        withdrawn: false,
    };
    osds[0].send(MonMessage::FailureReport(report(1))).await; // in another's name: ignored
    osds[0].send(MonMessage::FailureReport(report(0))).await;
    osds[1].send(MonMessage::FailureReport(report(1))).await;
    while map.is_up(OsdId(2)) {
        let MapUpdate::Incrementals(steps) = admin.update().await.map else { panic!("steps") };
        for step in steps {
            map.apply_incremental(&step).expect("without a gap");
        }
    }
    let Ok(Answer::Status(status)) = admin.query(Query::Status).await else { panic!("no answer") };
    assert_eq!((status.osds.total, status.osds.up, status.leader.as_deref()), (3, 2, Some("mon.0")));
    assert_eq!(status.health.status, Severity::Warn);
    let codes: Vec<&str> = status.health.checks.iter().map(|check| check.code.as_str()).collect();
    assert_eq!(codes, ["OSD_DOWN", "OSD_NEARFULL"]);
    assert_eq!(status.capacity.used_bytes, 1800);
}

#[tokio::test]
async fn nobody_acts_beyond_his_role() {
    let site = Site::new(1);
    let _mon = site.start(0).await;
    let mut osd = site.dial("osd.1", 0).await;
    assert!(matches!(osd.command(boot(0, 1)).await, Err(MonError::Denied { .. })));
    let mut gateway = site.dial("gateway.0", 0).await;
    let rm = Command::PoolRm { name: "a".to_owned() };
    assert!(matches!(gateway.command(rm.clone()).await, Err(MonError::Denied { .. })));
    let mut admin = site.dial("client.admin", 0).await;
    assert!(
        matches!(admin.command(rm).await, Err(MonError::Refused(_))),
        "allowed, but there is no such pool"
    );
    let huge = Command::PoolRm { name: "x".repeat(300 << 10) };
    assert!(matches!(admin.command(huge).await, Err(MonError::Refused(_))), "too large for the log");
}

#[tokio::test]
async fn what_is_wrong_with_a_start_is_said() {
    let site = Site::new(1);
    let config = site.config(0);
    let mon = site.start(0).await;
    assert!(matches!(
        Monitor::start(config.clone()).await,
        Err(MonitorError::Store(StoreError::InUse { .. }))
    ));
    let taken = mon.addr();
    // Another monitor's directory, another cluster's, a port that is taken.
    let other = Site::new(1);
    let mut wrong = config.clone();
    wrong.dir = other.mon_dir(&name("mon.0"));
    let fsid = placement_map::Uuid([9; 16]);
    let foreign = site.mon_dir(&name("mon.7"));
    mkfs(&foreign, fsid, &name("mon.0"), &[], &[]).expect("a store");
    wrong.dir = foreign;
    assert!(matches!(
        Monitor::start(wrong.clone()).await,
        Err(MonitorError::Store(StoreError::Foreign { .. }))
    ));
    wrong.dir = other.mon_dir(&name("mon.0"));
    wrong.addr = taken;
    let refused = Monitor::start(wrong).await;
    assert!(matches!(refused, Err(MonitorError::Transport(TransportError::Bind { .. }))));
    assert!(matches!(mkfs(&config.dir, fsid, &name("osd.0"), &[], &[]), Err(MonitorError::Name(_))));
}
