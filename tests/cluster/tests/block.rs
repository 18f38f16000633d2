//! Block images over NBD: other people's tools copy in and out while a disk's daemon is killed, and what was acknowledged
//! outlives kill -9 of everything; a gateway that hung does no harm when it wakes.

use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use stdx::Rng;
use tests_cluster::clients::{client, must};
use tests_cluster::nbd::Nbd;
use tests_cluster::run::Background;
use tests_cluster::settings::{nacre, seed, sized};
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, content, daemons, ports, say};

const MIB: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn block() {
    let mut cluster = Cluster::start("block", Options { osd_size: "1G", ..Options::default() });
    commands(&cluster);
    copied_while_an_osd_dies(&cluster);
    for round in 0..sized(2, 10) {
        acknowledged_writes_outlive_everything(&mut cluster, round);
    }
    in_use(&cluster);
    kept(&cluster);
    by_itself(&cluster);
    a_gateway_that_hung_is_fenced(&cluster);
    everything_goes(&cluster);
    assert_eq!(cluster.stop(), 0, "and it stops cleanly");
}

fn commands(cluster: &Cluster) {
    cluster.nacre(&["image", "create", "disk", "--size", "256M"]).ok();
    let again = cluster.nacre(&["image", "create", "rbd/disk", "--size", "1G"]);
    assert!(again.code() == 1 && again.err().contains("rbd/disk exists"), "{}", again.said());
    let odd = cluster.nacre(&["image", "create", "odd", "--size", "1000"]);
    assert!(odd.code() == 1 && odd.err().contains("512"), "{}", odd.said());
    let nowhere = cluster.nacre(&["image", "create", "nowhere/x", "--size", "1G"]);
    assert!(nowhere.code() == 1 && nowhere.err().contains("no pool"), "{}", nowhere.said());
    let info = cluster.json(&["image", "info", "disk"]);
    assert_eq!((info["size"].as_u64(), info["object_size"].as_u64()), (Some(256 * MIB), Some(4 * MIB)));
    let map = cluster.nacre(&["image", "map", "disk"]).ok().out();
    assert!(map.contains(&format!("nbd://{}/rbd/disk", cluster.nbd())), "{map}");

    cluster.nacre(&["image", "resize", "disk", "--size", "320M"]).ok();
    let shrink = cluster.nacre(&["image", "resize", "disk", "--size", "256M"]);
    assert!(shrink.code() == 1 && shrink.err().contains("--allow-shrink"), "{}", shrink.said());
    cluster.nacre(&["image", "resize", "disk", "--size", "256M", "--allow-shrink"]).ok();
    cluster.nacre(&["image", "rename", "disk", "disk1"]).ok();
    let images = cluster.json(&["image", "ls"]);
    assert_eq!(images["images"][0]["name"], "disk1");
}

fn copied_while_an_osd_dies(cluster: &Cluster) {
    let data = content::bytes(content::mix(&[seed(), 1]), 128 * MIB as usize);
    let (from, to) = (cluster.beside().join("from"), cluster.beside().join("to"));
    std::fs::write(&from, &data).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    let uri = format!("nbd://{}/rbd/disk1", cluster.nbd());
    let used = || cluster.json(&["image", "du", "disk1"])["used"].as_u64().unwrap_or(0);

    let begin = Instant::now();
    let errors = cluster.beside().join("nbdcopy.err");
    let mut copy = Background::start(client(cluster, "nbdcopy").arg("--flush").arg(&from).arg(&uri), &errors);
    for_condition("some of the copy to arrive", PATIENCE, || match used() {
        n if n > 4 * MIB => Ok(()),
        n => Err(format!("{n} bytes are used")),
    });
    let halfway = copy.ended().is_none();
    cluster.kill9("osd.1");
    let status =
        for_condition("nbdcopy to end", PATIENCE, || copy.ended().ok_or("it still runs".to_string()));
    let told = std::fs::read_to_string(&errors).unwrap_or_default();
    assert!(status.success(), "nbdcopy ended with {status}: {told}\n{}", cluster.tails());
    say!(
        "  128 MiB copied in {:.1} s; osd.1 killed {}",
        begin.elapsed().as_secs_f64(),
        if halfway { "in the middle" } else { "after it" }
    );
    assert_eq!(used(), 128 * MIB);
    must(client(cluster, "nbdcopy").arg(&uri).arg(&to));
    let back = std::fs::read(&to).unwrap_or_else(|e| panic!("{}: {e}", to.display()));
    assert_eq!(content::difference(&back[..data.len()], &data), None);
    assert!(
        back.len() as u64 == 256 * MIB && back[data.len()..].iter().all(|b| *b == 0),
        "the rest is zeros"
    );

    cluster.daemon_start("osd.1");
    cluster.wait_clean(3, PATIENCE);
    qemu(cluster, &from, &uri);
}

/// QEMU's tools agree, and what is discarded is given back.
fn qemu(cluster: &Cluster, from: &Path, uri: &str) {
    let mut compare = client(cluster, "qemu-img");
    must(compare.args(["compare", "-f", "raw", "-F", "raw"]).arg(from).arg(uri));
    let script = [
        "write -P 7 1049089 70000",
        "read -P 7 1049089 70000",
        "write -z 2000000 5000",
        "read -P 0 2000000 5000",
        "discard 64M 64M",
        "read -P 0 64M 64M",
        "write -f -P 9 200M 1M",
        "flush",
    ];
    let mut io = client(cluster, "qemu-io");
    io.args(["-f", "raw"]);
    for line in script {
        io.args(["-c", line]);
    }
    let told = must(io.arg(uri)).said();
    assert!(!told.contains("failed") && !told.contains("rror"), "{told}");
    let used = cluster.json(&["image", "du", "disk1"])["used"].as_u64();
    assert_eq!(used, Some(65 * MIB), "64 MiB left of the copy, 1 MiB written behind");
    say!("  qemu-img and qemu-io agree; discarded space is given back");
}

/// One block's bytes, which say when it was written.
fn block_of(place: u64, time: u64) -> Vec<u8> {
    let mut bytes = content::bytes(content::mix(&[place, time]), 4096);
    bytes[..8].copy_from_slice(&time.to_be_bytes());
    bytes
}

fn acknowledged_writes_outlive_everything(cluster: &mut Cluster, round: u64) {
    const BLOCKS: u64 = 512;
    let name = format!("crash{round}");
    cluster.nacre(&["image", "create", &name, "--size", "64M", "--object-size", "1M"]).ok();
    let mut rng = Rng::new(content::mix(&[seed(), 2, round]));
    let mut acked: BTreeMap<u64, u64> = BTreeMap::new();
    let mut disk = connect(cluster, &name);
    assert_eq!(disk.size(), 64 * MIB);
    let writer = std::thread::spawn(move || {
        let mut sent = 0;
        loop {
            let place = rng.below(BLOCKS);
            sent += 1;
            let written = disk.write(place * 32 * 4096, &block_of(place, sent));
            if written.is_err() {
                // Killed: this write may or may not have happened.
                return (acked, place, sent);
            }
            acked.insert(place, sent);
            if sent % 50 == 0 && disk.flush().is_err() {
                return (acked, u64::MAX, sent);
            }
        }
    });
    // The moment is found by what the image has taken, not by the clock.
    for_condition("writes to run", PATIENCE, || {
        let du = cluster.json(&["image", "du", &name]);
        match du["objects"].as_u64() {
            Some(n) if n >= 40 => Ok(()),
            n => Err(format!("{n:?} objects are there")),
        }
    });
    cluster.kill_all();
    let (acked, open_place, open_time) = writer.join().unwrap_or_else(|_| panic!("the writer failed"));
    let up = cluster.up();
    let begin = Instant::now();
    let mut disk = connect(cluster, &name);
    let opened = begin.elapsed();
    for place in 0..BLOCKS {
        let got = disk.read(place * 32 * 4096, 4096).unwrap_or_else(|e| panic!("{e}\n{}", cluster.tails()));
        let last = acked.get(&place).copied();
        let open = (place == open_place).then_some(open_time);
        let fits = |time: Option<u64>| got == time.map_or_else(|| vec![0; 4096], |t| block_of(place, t));
        assert!(fits(last) || (open.is_some() && fits(open)), "block {place}, acknowledged at {last:?}");
    }
    say!(
        "  round {round}: {} blocks acknowledged before kill -9 of everything, all there; up in {:.1} s, image open \
         again in {:.1} s",
        acked.len(),
        up.as_secs_f64(),
        opened.as_secs_f64()
    );
    assert!(acked.len() >= 30, "too few to show anything");
}

fn connect(cluster: &Cluster, image: &str) -> Nbd {
    Nbd::connect(&cluster.nbd(), &format!("rbd/{image}"), PATIENCE)
        .unwrap_or_else(|e| panic!("{e}\n{}", cluster.tails()))
}

fn in_use(cluster: &Cluster) {
    let mut disk = connect(cluster, "disk1");
    for words in
        [&["image", "rm", "disk1"][..], &["image", "resize", "disk1", "--size", "1M", "--allow-shrink"]]
    {
        let refused = cluster.nacre(words);
        assert!(refused.code() == 1 && refused.err().contains("in use by gateway.0"), "{}", refused.said());
    }
    assert_eq!(cluster.json(&["image", "info", "disk1"])["in_use_by"], "gateway.0");
    disk.write(0, &[1; 512]).unwrap_or_else(|e| panic!("the one who has it goes on: {e}"));
    assert!(Nbd::connect(&cluster.nbd(), "rbd/none", PATIENCE).is_err());
    assert!(Nbd::connect(&cluster.nbd(), "s3.data/disk1", PATIENCE).is_err(), "not a pool for images");
}

/// Trash, metadata and limits.
fn kept(cluster: &Cluster) {
    cluster.nacre(&["image", "create", "old", "--size", "8M"]).ok();
    connect(cluster, "old").write(5, b"kept").unwrap_or_else(|e| panic!("{e}"));
    for_condition("the image to be free", PATIENCE, || {
        let moved = cluster.nacre(&["image", "trash", "mv", "old", "--keep", "1h"]);
        if moved.code() == 0 { Ok(()) } else { Err(moved.said()) }
    });
    assert!(Nbd::connect(&cluster.nbd(), "rbd/old", PATIENCE).is_err());
    let trash = cluster.json(&["image", "trash", "ls"]);
    let id = format!("rbd/{}", trash["trash"][0]["id"].as_str().unwrap_or_default());
    let early = cluster.nacre(&["image", "trash", "purge", &id]);
    assert!(early.code() == 1 && early.err().contains("--force"), "{}", early.said());
    cluster.nacre(&["image", "trash", "restore", &id, "--name", "older"]).ok();
    let got = connect(cluster, "older").read(0, 10).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(got, b"\0\0\0\0\0kept\0");

    cluster.nacre(&["image", "meta", "set", "older", "owner", "me"]).ok();
    assert_eq!(cluster.json(&["image", "meta", "ls", "older"])["metadata"]["owner"], "me");
    assert_eq!(cluster.nacre(&["image", "meta", "get", "older", "none"]).code(), 1);
    cluster.nacre(&["image", "qos", "rbd/", "--iops", "1000"]).ok();
    let limits = cluster.json(&["image", "qos", "older", "--bps", "100M"]);
    assert_eq!((limits["iops"].as_u64(), limits["bps"].as_u64()), (Some(1000), Some(100 * MIB)));
    cluster.nacre(&["image", "qos", "rbd/", "--iops", "0"]).ok();
    assert_eq!(cluster.json(&["image", "qos", "older"])["iops"], serde_json::Value::Null);
}

/// `nacre nbd serve`: another server of the same images.
fn by_itself(cluster: &Cluster) {
    let socket = cluster.beside().join("nbd.sock");
    let mut serve = Command::new(nacre());
    serve.args(["nbd", "serve", "--unix"]).arg(&socket).arg("--data").arg(cluster.dir());
    let _server = Background::start(&mut serve, &cluster.beside().join("nbd.err"));
    let uri = |image: &str| format!("nbd+unix:///rbd/{image}?socket={}", socket.display());
    for_condition("the socket", PATIENCE, || if socket.exists() { Ok(()) } else { Err("not there".into()) });
    let size = must(client(cluster, "nbdinfo").args(["--size", &uri("disk1")])).out();
    assert_eq!(size.trim(), (256 * MIB).to_string());
    let readers = cluster.beside().join("readers.sock");
    let mut serve = Command::new(nacre());
    serve.args(["nbd", "serve", "--read-only", "--unix"]).arg(&readers).arg("--data").arg(cluster.dir());
    let _readers = Background::start(&mut serve, &cluster.beside().join("readers.err"));
    for_condition("the socket", PATIENCE, || if readers.exists() { Ok(()) } else { Err("not there".into()) });
    let _writer = connect(cluster, "disk1");
    let beside = format!("nbd+unix:///rbd/disk1?socket={}", readers.display());
    must(client(cluster, "nbdinfo").args(["--is", "read-only", &beside]));
    let insecure = cluster.nacre(&["nbd", "serve", "--listen", "0.0.0.0:0"]);
    assert!(insecure.code() == 2 && insecure.err().contains("--nbd-insecure"), "{}", insecure.said());
}

/// Two servers, one image: the first hangs, the second takes over after the lease, the first wakes up.
fn a_gateway_that_hung_is_fenced(cluster: &Cluster) {
    let addr = ports::free();
    let mut serve = Command::new(nacre());
    serve.args(["nbd", "serve", "--listen", &addr]).arg("--data").arg(cluster.dir());
    let _server = Background::start(&mut serve, &cluster.beside().join("nbd2.err"));
    let reach = || Nbd::connect(&addr, "rbd/disk1", PATIENCE);
    for_condition("the second server", PATIENCE, || {
        std::net::TcpStream::connect(&addr).map_err(|e| e.to_string())
    });

    let mut old = connect(cluster, "disk1");
    old.write(0, &[1; 512]).unwrap_or_else(|e| panic!("{e}"));
    assert!(reach().is_err(), "refused while the first lives");
    daemons::signal(cluster.live("gateway.0"), Signal::STOP);
    let begin = Instant::now();
    let mut new = reach().unwrap_or_else(|e| panic!("{e}\n{}", cluster.tails()));
    say!("  a hung gateway's image was taken over after {:.1} s", begin.elapsed().as_secs_f64());
    let first = new.read(0, 512).unwrap_or_else(|e| panic!("{e}"));
    assert!(first == [1; 512]);
    new.write(0, &[2; 512]).unwrap_or_else(|e| panic!("{e}"));
    daemons::signal(cluster.live("gateway.0"), Signal::CONT);
    assert!(old.write(0, &[3; 512]).is_err(), "a write that comes too late");
    assert!(old.read(0, 512).is_err(), "and a read, which might be old");
    assert!(new.read(0, 512).is_ok_and(|got| got == [2; 512]));
    drop((old, new));
    // Who connects to the first again gets the image anew, once the second has let it go.
    let mut again = for_condition("the image to be served again", PATIENCE, || {
        Nbd::connect(&cluster.nbd(), "rbd/disk1", PATIENCE).map_err(|e| e.to_string())
    });
    assert!(again.read(0, 512).is_ok_and(|got| got == [2; 512]));
}

fn everything_goes(cluster: &Cluster) {
    for image in cluster.json(&["image", "ls"])["images"].as_array().cloned().unwrap_or_default() {
        let name = image["name"].as_str().unwrap_or_default().to_string();
        // The server notices that its last client has gone a moment later than the client.
        for_condition("the image to be free", PATIENCE, || {
            match cluster.json(&["image", "info", &name])["in_use_by"] {
                serde_json::Value::Null => Ok(()),
                ref by => Err(format!("{name} is in use by {by}")),
            }
        });
        cluster.nacre(&["image", "rm", &name]).ok();
    }
    let left = cluster.json(&["object", "ls", "rbd"]);
    let mut left: Vec<String> = serde_json::from_value(left["objects"].clone()).unwrap_or_default();
    left.sort();
    assert_eq!(left, ["rbd_directory", "rbd_info"]);
}
