//! Three monitors: any of them takes requests, any one may die, one that was away catches up.

mod common;

use common::{Site, boot};
use placement_map::status::{Answer, Query};
use placement_map::{Command, OsdId};
use std::time::{Duration, Instant};
use wire_codec::mon::{MapUpdate, MonError};

fn flag(on: bool) -> Command {
    Command::SetFlag { flag: "noscrub".to_owned(), on }
}

/// Whether the link ended; takes one update off it otherwise.
async fn watcher_gone(watcher: &mut common::Dialled) -> bool {
    watcher.updates.clear();
    watcher.try_update().await.is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_one_of_three_may_die_and_catches_up() {
    let site = Site::new(3);
    let mut mons = Vec::new();
    for at in 0..3 {
        mons.push(Some(site.start(at).await));
    }
    // Every monitor takes commands, whoever leads.
    for at in 0..3u32 {
        let mut osd = site.dial(&format!("osd.{at}"), at as usize).await;
        osd.command(boot(at, 1)).await.expect("booted");
    }
    let mut admin = site.dial("client.admin", 0).await;
    let Ok(Answer::MonLs { mons: rows }) = admin.query(Query::MonLs).await else { panic!("no answer") };
    assert_eq!(rows.iter().filter(|row| row.leader).count(), 1);
    let leader: usize = rows.iter().position(|row| row.leader).expect("one leads");
    let (one, other) = ((leader + 1) % 3, (leader + 2) % 3);

    // A subscriber of a follower sees what is committed after the leader is gone.
    let mut watcher = site.dial("client.watch", one).await;
    watcher.subscribe(0, false, 0).await;
    let MapUpdate::Full(mut map) = watcher.update().await.map else { panic!("the whole map comes first") };
    drop(mons[leader].take());
    let began = Instant::now();
    let mut admin = site.dial("client.admin", one).await;
    let out = loop {
        match admin.command(Command::MarkOut { osds: vec![OsdId(1)], automatic: false }).await {
            Err(MonError::NoQuorum) => continue,
            other => break other,
        }
    };
    out.expect("taken");
    assert!(began.elapsed() < Duration::from_secs(5), "a new leader was found late: {:?}", began.elapsed());
    while map.osds[&OsdId(1)].is_in() {
        match watcher.update().await.map {
            MapUpdate::Incrementals(steps) => {
                steps.iter().for_each(|step| map.apply_incremental(step).expect("without a gap"));
            }
            MapUpdate::Full(full) => map = full,
            MapUpdate::Same => {}
        }
    }

    // The old leader comes back and has what it missed; then another one may die.
    mons[leader] = Some(site.start(leader).await);
    let mut back = site.dial("client.watch", leader).await;
    back.subscribe(map.epoch.0 - 1, false, 0).await;
    assert!(!matches!(back.update().await.map, MapUpdate::Same));
    drop(mons[other].take());
    let mut admin = site.dial("client.admin", leader).await;
    let taken = loop {
        match admin.command(flag(true)).await {
            Err(MonError::NoQuorum) => continue,
            other => break other,
        }
    };
    taken.expect("taken");
    // Alone nobody decides anything.
    drop(mons[one].take());
    let mut other = site.dial("client.other", leader).await;
    let (command, query) = tokio::join!(admin.command(flag(false)), other.query(Query::Status));
    assert_eq!(command, Err(MonError::NoQuorum));
    assert_eq!(query.map(drop), Err(MonError::NoQuorum));
    // It sends its peers away, so that they look for a monitor that is not cut off.
    while !watcher_gone(&mut back).await {}
}
