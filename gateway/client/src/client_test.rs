//! The client against fakes on real sockets: what it promises while daemons die, move and come back.

use crate::fake_cluster::{FakeCluster, POOL};
use crate::{Client, ClientConfig, ClientError, Rados};
use bytes::Bytes;
use osd_object::{ObjectName, Op};
use placement_map::status::Query;
use placement_map::{Command, CommandReply, OsdId, PgId, PoolCreate, RefusalKind};
use std::collections::BTreeSet;
use std::time::Duration;
use stdx::Errno;
use wire_transport::{Listener, Mode};

async fn client(c: &FakeCluster) -> Client {
    let config =
        ClientConfig::new(vec![("mon.0".parse().unwrap(), c.monitor)], c.security("client.a", Mode::Crc));
    Client::connect(config).await.unwrap()
}

fn write(data: &str) -> Vec<Op> {
    vec![Op::WriteFull { data: Bytes::copy_from_slice(data.as_bytes()) }]
}

async fn put(client: &Client, name: &str, data: &str) {
    Rados::operate(client, "data", ObjectName::new(name), write(data)).await.unwrap();
}
async fn get(client: &Client, name: &str) -> Bytes {
    client.read("data", ObjectName::new(name), 0, 0).await.unwrap()
}

#[tokio::test]
async fn objects_come_back_from_any_osd_and_errors_name_them() {
    let c = FakeCluster::start(3).await;
    let client = client(&c).await;
    for i in 0..30 {
        put(&client, &format!("o{i}"), &i.to_string()).await;
    }
    for i in 0..30 {
        assert_eq!(get(&client, &format!("o{i}")).await, i.to_string());
    }
    let e = client.read("data", ObjectName::new("none"), 0, 0).await.unwrap_err();
    assert_eq!((e.code, e.to_string().starts_with("data/none: ")), (Errno::ENOENT, true), "{e}");
    let e = client.read("nowhere", ObjectName::new("x"), 0, 0).await.unwrap_err();
    assert_eq!((e.code, e.step), (Errno::ENOENT, None), "{e}");
    let big = vec![Op::WriteFull { data: Bytes::from(vec![0; 18 << 20]) }];
    let e = Rados::operate(&client, "data", ObjectName::new("big"), big).await.unwrap_err();
    assert_eq!(e.code, Errno::E2BIG);
}

#[tokio::test]
async fn listings_cover_a_pool_once_in_pages_of_any_size() {
    let c = FakeCluster::start(2).await;
    let client = client(&c).await;
    let all: BTreeSet<String> = (0..40).map(|i| format!("o{i}")).collect();
    for name in &all {
        put(&client, name, "x").await;
    }
    for max in [1, 3, 40, 1000] {
        let (mut seen, mut at) = (Vec::new(), None);
        loop {
            let page = Rados::list(&client, "data", at, max).await.unwrap();
            assert!(page.objects.len() <= max as usize);
            seen.extend(page.objects.into_iter().map(|o| o.name));
            at = page.next;
            if at.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 40, "pages of {max}");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_done_twice() {
    let c = FakeCluster::start(1).await;
    let client = client(&c).await;
    for i in 0..5 {
        c.world.lock().unwrap().lose_replies = 1;
        let append = vec![Op::Append { data: Bytes::copy_from_slice(format!("{i}").as_bytes()) }];
        Rados::operate(&client, "data", ObjectName::new("log"), append).await.unwrap();
    }
    assert_eq!(get(&client, "log").await, "01234");
    assert_eq!(c.world.lock().unwrap().executed, 6, "five appends and a read");
}

#[tokio::test]
async fn operations_follow_the_primary_when_its_osd_dies_and_when_it_returns() {
    let mut c = FakeCluster::start(2).await;
    let client = client(&c).await;
    for i in 0..20 {
        put(&client, &format!("o{i}"), "before").await;
    }
    c.kill("osd.0");
    let writer = client.clone();
    let during = tokio::spawn(async move {
        for i in 0..20 {
            put(&writer, &format!("o{i}"), "during").await;
        }
    });
    // They wait for the map that tells; the client asks for it but is not believed to know better.
    c.publish(|m| {
        m.osds.get_mut(&OsdId(0)).unwrap().up = false;
        for seed in 0..8 {
            m.pg_temp.insert(PgId { pool: POOL, seed }, vec![OsdId(1)]);
        }
    });
    during.await.unwrap();
    // Back at another address, and primary again.
    c.start_osd(0).await;
    c.kill("osd.1");
    c.publish(|m| {
        for seed in 0..8 {
            m.pg_temp.insert(PgId { pool: POOL, seed }, vec![OsdId(0)]);
        }
    });
    for i in 0..20 {
        assert_eq!(get(&client, &format!("o{i}")).await, "during");
    }
}

#[tokio::test]
async fn only_a_handle_with_a_deadline_gives_up() {
    let mut c = FakeCluster::start(1).await;
    let client = client(&c).await;
    put(&client, "a", "x").await;
    c.kill("osd.0");
    let hasty = client.with_deadline(Duration::from_millis(100));
    let e = hasty.read("data", ObjectName::new("a"), 0, 0).await.unwrap_err();
    assert_eq!((e.code, e.step), (Errno::ETIMEDOUT, None));
    let patient = client.clone();
    let waits = tokio::spawn(async move { get(&patient, "a").await });
    c.start_osd(0).await;
    assert_eq!(waits.await.unwrap(), "x");
}

#[tokio::test]
async fn commands_survive_a_lack_of_quorum_and_show_in_the_map() {
    let c = FakeCluster::start(1).await;
    let client = client(&c).await;
    c.world.lock().unwrap().no_quorum = 1;
    let create = || Command::PoolCreate(PoolCreate { name: "fresh".into(), ..PoolCreate::default() });
    let CommandReply::Pool { id, .. } = client.command(create()).await.unwrap() else { panic!() };
    assert_eq!(client.map().pool_id("fresh"), Some(id), "read your own writes");
    Rados::operate(&client, "fresh", ObjectName::new("a"), write("x")).await.unwrap();
    match client.command(create()).await.unwrap_err() {
        ClientError::Refused(r) => assert_eq!(r.kind, RefusalKind::Exists),
        e => panic!("{e}"),
    }
    client.query(Query::Health).await.unwrap();
    // A pool that somebody else makes is found without being told.
    let other = super::client_test::client(&c).await;
    other
        .command(Command::PoolCreate(PoolCreate { name: "theirs".into(), ..PoolCreate::default() }))
        .await
        .unwrap();
    Rados::operate(&client, "theirs", ObjectName::new("a"), write("x")).await.unwrap();
}

#[tokio::test]
async fn another_monitor_is_found_through_the_map_when_ours_dies() {
    let mut c = FakeCluster::start(1).await;
    let client = client(&c).await;
    // Not in the client's configuration.
    c.start_monitor("mon.1").await;
    client.wait_for_map(|m| m.monitors.len() == 2).await.unwrap();
    c.kill("mon.0");
    let create = Command::PoolCreate(PoolCreate { name: "later".into(), ..PoolCreate::default() });
    client.command(create).await.unwrap();
    // Maps come from the other one, too.
    c.publish(|m| m.feature_level = 9);
    client.wait_for_map(|m| m.feature_level == 9).await.unwrap();
    put(&client, "a", "x").await;
}

#[tokio::test]
async fn an_osd_that_does_not_read_delays_its_own_operations_only() {
    let c = FakeCluster::start(2).await;
    let client = client(&c).await;
    c.world.lock().unwrap().deaf = Some(OsdId(0));
    let mut stuck = tokio::task::JoinSet::new();
    let (mut here, mut there) = (0, 0);
    for i in 0..40 {
        let name = format!("o{i}");
        let pg = client.map().pg_of(POOL, client.map().object_hash("", "", &name)).unwrap();
        if pg.seed % 2 == 1 {
            put(&client, &name, "x").await;
            here += 1;
            continue;
        }
        there += 1;
        let client = client.clone();
        let ops = vec![Op::WriteFull { data: Bytes::from(vec![1; 1 << 20]) }];
        stuck.spawn(async move { Rados::operate(&client, "data", ObjectName::new(name), ops).await });
    }
    assert!(here > 5 && there > 5, "{here} {there}");
    assert!(stuck.try_join_next().is_none());
    // Its successor serves them all.
    c.publish(|m| {
        for seed in 0..8 {
            m.pg_temp.insert(PgId { pool: POOL, seed }, vec![OsdId(1)]);
        }
    });
    while let Some(r) = stuck.join_next().await {
        r.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_unreachable_cluster_is_told_with_the_reason() {
    let mut c = FakeCluster::start(1).await;
    let mons = vec![("mon.0".parse().unwrap(), c.monitor)];
    // Wrong mode: no use in waiting the ten seconds.
    let config = ClientConfig::new(mons.clone(), c.security("client.a", Mode::Secure));
    let begun = tokio::time::Instant::now();
    let e = Client::connect(config).await.unwrap_err().to_string();
    assert!(e.contains("mon.0") && e.contains("--link"), "{e}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    c.kill("mon.0");
    let config = ClientConfig {
        connect_within: Duration::from_millis(700),
        ..ClientConfig::new(mons, c.security("client.a", Mode::Crc))
    };
    let e = Client::connect(config).await.unwrap_err().to_string();
    assert!(e.contains("mon.0") && e.contains("refused"), "{e}");
}

#[tokio::test]
async fn a_monitor_that_links_and_tells_nothing_is_named() {
    let c = FakeCluster::start(1).await;
    // As one does that was started and finds no majority.
    let any = "127.0.0.1:0".parse().unwrap();
    let mut silent = Listener::bind(any, c.security("mon.7", Mode::Crc)).await.unwrap();
    let mons = vec![("mon.7".parse().unwrap(), silent.local_addr())];
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(silent.accept().await);
        }
    });
    let config = ClientConfig {
        connect_within: Duration::from_millis(1500),
        ..ClientConfig::new(mons, c.security("client.a", Mode::Crc))
    };
    let e = Client::connect(config).await.unwrap_err().to_string();
    assert!(e.contains("mon.7: linked") && e.contains("majority"), "{e}");
}

#[tokio::test]
async fn many_at_once_complete_and_share_the_room() {
    let c = FakeCluster::start(3).await;
    let client = client(&c).await;
    let mut all = tokio::task::JoinSet::new();
    for i in 0..400 {
        let client = client.clone();
        all.spawn(async move {
            let data = Bytes::from(vec![i as u8; 300_000]);
            let ops = vec![Op::WriteFull { data: data.clone() }];
            let name = ObjectName::new(format!("o{i}"));
            Rados::operate(&client, "data", name.clone(), ops).await.unwrap();
            assert_eq!(client.read("data", name, 0, 0).await.unwrap(), data);
        });
    }
    while let Some(r) = all.join_next().await {
        r.unwrap();
    }
}
