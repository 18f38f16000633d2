//! Monitors join and leave a quorum at work: one grows to three, survives its founder's death, and lets it go.

mod common;

use common::{Site, boot};
use placement_map::status::{Answer, MonRow, Query};
use placement_map::{Command, OsdId, RefusalKind};
use placement_monitor::{Monitor, MonitorError, StoreError};
use wire_codec::mon::MonError;

/// Through monitor `at`, until there is a leader to decide. A monitor that finds itself cut off closes its links, so
/// each try has a new one.
async fn command(site: &Site, at: usize, command: Command) -> Result<(), MonError> {
    loop {
        let mut admin = site.dial("client.admin", at).await;
        match admin.try_command(command.clone()).await {
            None | Some(Err(MonError::NoQuorum)) => continue,
            Some(other) => return other.map(drop),
        }
    }
}

async fn monitors(site: &Site, at: usize) -> Vec<MonRow> {
    loop {
        let mut admin = site.dial("client.admin", at).await;
        match admin.try_query(Query::MonLs).await {
            Some(Ok(Answer::MonLs { mons })) => return mons,
            None | Some(Err(MonError::NoQuorum)) => continue,
            Some(other) => panic!("{other:?}"),
        }
    }
}

fn refused(outcome: Result<(), MonError>) -> RefusalKind {
    match outcome {
        Err(MonError::Refused(refusal)) => refusal.kind,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_grows_to_three_and_lets_its_founder_go() {
    let site = Site::founded_by(1, 3);
    let add = |at: usize| {
        let (name, addr) = &site.mons[at];
        Command::MonAdd { name: name.as_str().to_owned(), addr: *addr }
    };
    let rm = |at: usize| Command::MonRm { name: site.mons[at].0.as_str().to_owned() };
    let founder = site.start(0).await;
    let mut osd = site.dial("osd.0", 0).await;
    osd.command(boot(0, 1)).await.expect("booted");

    // One that does not run gets no vote, and the quorum goes on deciding alone.
    assert_eq!(refused(command(&site, 0, add(1)).await), RefusalKind::Impossible);
    assert_eq!(refused(command(&site, 0, rm(1)).await), RefusalKind::NotFound);
    assert_eq!(refused(command(&site, 0, rm(0)).await), RefusalKind::Unsafe, "the last one stays");
    let bad = Command::MonAdd { name: "osd.9".into(), addr: site.mons[1].1 };
    assert_eq!(refused(command(&site, 0, bad).await), RefusalKind::Invalid);
    let mut stranger = site.dial("client.backup", 0).await;
    assert!(matches!(stranger.command(add(1)).await, Err(MonError::Denied { .. })));
    assert_eq!(monitors(&site, 0).await.len(), 1);

    let second = site.start(1).await;
    let third = site.start(2).await;
    for at in [1, 2] {
        command(&site, 0, add(at)).await.expect("it votes");
        command(&site, 0, add(at)).await.expect("it did already");
    }
    let rows = monitors(&site, 0).await;
    assert_eq!(rows.len(), 3);
    // What was decided before they came is theirs too.
    command(&site, 2, Command::MarkOut { osds: vec![OsdId(0)], automatic: false })
        .await
        .expect("known to it");

    drop(founder);
    command(&site, 1, Command::MarkIn { osds: vec![OsdId(0)] }).await.expect("two of three decide");
    command(&site, 1, rm(0)).await.expect("it goes, though it is dead");
    let rows = monitors(&site, 1).await;
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["mon.1", "mon.2"]);

    // The leader itself goes: the other one decides alone.
    let leader = rows.iter().position(|row| row.leader).expect("one leads") + 1;
    let other = 3 - leader;
    command(&site, other, rm(leader)).await.expect("it steps down");
    let mut running = [None, Some(second), Some(third)];
    drop(running[leader].take());
    command(&site, other, Command::MarkOut { osds: vec![OsdId(0)], automatic: false })
        .await
        .expect("it decides");
    assert_eq!(monitors(&site, other).await.len(), 1);
    // It stays that way after a restart.
    running[other].take().expect("it runs").stop().await.expect("in order");
    // Links that were cut off hold the store until their tasks are gone, too.
    let _again = loop {
        match Monitor::start(site.config(other)).await {
            Ok(monitor) => break monitor,
            Err(MonitorError::Store(StoreError::InUse { .. })) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    command(&site, other, Command::MarkIn { osds: vec![OsdId(0)] }).await.expect("alone");
}
