//! Images in and out: raw, qcow2, pipes, another NBD server; differences from snapshot to snapshot, cut and damaged;
//! and snapshots of a group that is written meanwhile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests_cluster::clients::{client, must};
use tests_cluster::nbd::Nbd;
use tests_cluster::run::{Background, run};
use tests_cluster::settings::{nacre, seed};
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, content, say};

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn image_copies() {
    let mut cluster = Cluster::start("image_copies", Options { osd_size: "1G", ..Options::default() });
    let disk = disk(&cluster, "disk", 1);
    whole_images(&cluster, &disk);
    differences(&cluster, &disk);
    one_moment(&cluster);
    assert_eq!(cluster.stop(), 0);
}

/// 40 MiB and a sector in a file: data with holes between.
fn disk(cluster: &Cluster, name: &str, mix: u64) -> PathBuf {
    let mut data = vec![0; 40 * MIB + 512];
    for part in (0..40).step_by(5) {
        let bytes = content::bytes(content::mix(&[seed(), mix, part as u64]), MIB);
        data[part * MIB..(part + 1) * MIB].copy_from_slice(&bytes);
    }
    let path = cluster.beside().join(name);
    std::fs::write(&path, &data).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
fn beside(cluster: &Cluster, name: &str) -> String {
    text(&cluster.beside().join(name))
}
fn uri(cluster: &Cluster, export: &str) -> String {
    format!("nbd://{}/{export}", cluster.nbd())
}
fn same(cluster: &Cluster, a: &str, b: &str) {
    must(client(cluster, "qemu-img").args(["compare", a, b]));
}

/// Runs a line of the shell, in which `nacre` is the program under test and `$DATA` the cluster.
fn shell(cluster: &Cluster, line: &str) {
    let mut sh = Command::new("/bin/sh");
    sh.arg("-c").arg(format!("set -e; nacre() {{ \"$NACRE\" \"$@\" --data \"$DATA\"; }}; {line}"));
    sh.env("NACRE", nacre()).env("DATA", cluster.dir()).current_dir(cluster.beside());
    run(&mut sh, PATIENCE).ok();
}

fn whole_images(cluster: &Cluster, disk: &Path) {
    cluster.nacre(&["image", "import", &text(disk), "raw", "--object-size", "1M"]).ok();
    same(cluster, &text(disk), &uri(cluster, "rbd/raw"));
    let used = cluster.json(&["image", "du", "raw"])["used"].as_u64().unwrap_or(u64::MAX);
    assert!(used <= 9 * MIB as u64 + 512, "zeros take no space: {used}");
    cluster.nacre(&["image", "import", &text(disk), "raw"]).fails(1, "exists already");

    cluster.nacre(&["image", "snap", "create", "raw@first"]).ok();
    cluster.nacre(&["image", "export", "raw@first", &beside(cluster, "back.img")]).ok();
    same(cluster, &text(disk), &beside(cluster, "back.img"));
    let blocks = std::os::unix::fs::MetadataExt::blocks(
        &std::fs::metadata(cluster.beside().join("back.img")).unwrap_or_else(|e| panic!("{e}")),
    );
    assert!(blocks * 512 < 12 * MIB as u64, "holes are holes of the file: {} bytes", blocks * 512);
    cluster.nacre(&["image", "export", "raw", &beside(cluster, "back.img")]).fails(1, "exists already");

    // Other formats, both ways; a file that leads to another is not followed.
    cluster.nacre(&["image", "export", "raw", &beside(cluster, "back.qcow2")]).ok();
    let info = must(client(cluster, "qemu-img").args(["info", &beside(cluster, "back.qcow2")])).out();
    assert!(info.contains("file format: qcow2"), "{info}");
    cluster.nacre(&["image", "import", &beside(cluster, "back.qcow2"), "packed"]).ok();
    same(cluster, &text(disk), &uri(cluster, "rbd/packed"));
    let (over, base) = (beside(cluster, "over.qcow2"), text(disk));
    must(client(cluster, "qemu-img").args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b", &base, &over]));
    cluster.nacre(&["image", "import", &over, "led"]).fails(1, "another file");
    cluster.nacre(&["image", "info", "led"]).fails(1, "no image");

    // Pipes, and an export of another server.
    shell(cluster, "nacre image export raw - | nacre image import - piped");
    same(cluster, &text(disk), &uri(cluster, "rbd/piped"));
    cluster.nacre(&["image", "import", &uri(cluster, "rbd/piped"), "fetched"]).ok();
    same(cluster, &text(disk), &uri(cluster, "rbd/fetched"));
    cluster.nacre(&["image", "create", "given", "--size", "64M"]).ok();
    cluster.nacre(&["image", "export", "raw", &uri(cluster, "rbd/given")]).ok();
    must(client(cluster, "qemu-img").args(["compare", &text(disk), &uri(cluster, "rbd/given")]));
    killed_in_the_middle(cluster, disk);
    say!("  raw, qcow2, pipes and another NBD server, both ways");
}

/// An import that is killed leaves no image of that name, and the next one begins anew.
fn killed_in_the_middle(cluster: &Cluster, disk: &Path) {
    let fifo = cluster.beside().join("fifo");
    must(Command::new("mkfifo").arg(&fifo));
    let mut import = Command::new(nacre());
    import.args(["image", "import"]).arg(&fifo).arg("cut").arg("--data").arg(cluster.dir());
    let import = Background::start(&mut import, &cluster.beside().join("import.err"));
    // Opens once the import reads; the pipe stays open, so that the import waits for more.
    let mut pipe = std::fs::File::options().write(true).open(&fifo).unwrap_or_else(|e| panic!("{e}"));
    std::io::Write::write_all(&mut pipe, &vec![5; 9 * MIB]).unwrap_or_else(|e| panic!("{e}"));
    for_condition("the import to write", PATIENCE, || {
        let used = cluster.try_json(&["image", "du", ".importing.cut"])?;
        if used["used"].as_u64() >= Some(4 * MIB as u64) { Ok(()) } else { Err(used.to_string()) }
    });
    drop(import);
    cluster.nacre(&["image", "info", "cut"]).fails(1, "no image");
    cluster.nacre(&["image", "import", &text(disk), "cut"]).ok();
    same(cluster, &text(disk), &uri(cluster, "rbd/cut"));
    let left = cluster.json(&["image", "ls"]).to_string();
    assert!(!left.contains(".importing"), "{left}");
}

fn differences(cluster: &Cluster, disk: &Path) {
    let second = self::disk(cluster, "second", 2);
    must(client(cluster, "nbdcopy").arg("--flush").arg(&second).arg(uri(cluster, "rbd/raw")));
    cluster.nacre(&["image", "snap", "create", "raw@second"]).ok();
    let (all, since) = (beside(cluster, "all.diff"), beside(cluster, "since.diff"));
    cluster.nacre(&["image", "export-diff", "raw@first", &all]).ok();
    cluster.nacre(&["image", "export-diff", "raw@second", &since, "--from-snap", "first"]).ok();
    cluster.nacre(&["image", "export-diff", "raw@first", "-", "--from-snap", "second"]).fails(1, "not older");

    cluster.nacre(&["image", "import-diff", &since, "copy"]).fails(1, "no image");
    cluster.nacre(&["image", "import-diff", &all, "copy"]).ok();
    same(cluster, &text(disk), &uri(cluster, "rbd/copy@first"));
    let whole = std::fs::read(&since).unwrap_or_else(|e| panic!("{e}"));
    let (cut, bad) = (beside(cluster, "cut.diff"), beside(cluster, "bad.diff"));
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap_or_else(|e| panic!("{e}"));
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 4;
    std::fs::write(&bad, &flipped).unwrap_or_else(|e| panic!("{e}"));
    cluster.nacre(&["image", "import-diff", &cut, "copy"]).fails(1, "cut off");
    cluster.nacre(&["image", "import-diff", &bad, "copy"]).fails(1, "damaged");
    let listed = cluster.json(&["image", "snap", "ls", "copy"]).to_string();
    assert!(!listed.contains("second"), "{listed}");
    shell(cluster, "nacre image import-diff - copy < since.diff");
    same(cluster, &text(&second), &uri(cluster, "rbd/copy@second"));
    same(cluster, &text(&second), &uri(cluster, "rbd/copy"));

    // What a backup program asks of NBD is what the difference holds.
    let map = |since: &str| {
        let context = format!("--map=nacre:diff:{since}");
        let map = must(client(cluster, "nbdinfo").args(["--json", &context, &uri(cluster, "rbd/raw")]));
        let rows: serde_json::Value = serde_json::from_slice(&map.stdout).unwrap_or_else(|e| panic!("{e}"));
        let rows = rows.as_array().cloned().unwrap_or_default();
        let changed = rows.iter().filter(|row| row["type"] == 1).filter_map(|row| row["length"].as_u64());
        changed.sum::<u64>()
    };
    assert_eq!(map("second"), 0);
    assert!(map("first") >= 8 * MIB as u64, "{}", map("first"));
    say!("  differences of {} and {} bytes, cut and damaged ones refused", size(&all), size(&since));
}

fn size(path: &str) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// Two images, of which the second is written only after the first has acknowledged; their group's snapshots hold
/// nothing of the second without the first's.
fn one_moment(cluster: &Cluster) {
    cluster.nacre(&["group", "create", "db"]).ok();
    for name in ["log", "data"] {
        cluster.nacre(&["image", "create", name, "--size", "16M"]).ok();
    }
    cluster.nacre(&["group", "add", "db", "log", "data"]).ok();
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(Mutex::new(0u64));
    let writer = {
        let (stop, written, addr) = (stop.clone(), written.clone(), cluster.nbd());
        std::thread::spawn(move || {
            let open = |name: &str| {
                Nbd::connect(&addr, &format!("rbd/{name}"), PATIENCE)
                    .unwrap_or_else(|e| panic!("{name}: {e}"))
            };
            let (mut log, mut data) = (open("log"), open("data"));
            let mut n = 0u64;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                for image in [&mut log, &mut data] {
                    let at = n % 3 * (5 << 20);
                    image.write(at, &n.to_le_bytes()).unwrap_or_else(|e| panic!("write {n}: {e}"));
                }
                *written.lock().unwrap_or_else(|e| panic!("{e}")) = n;
            }
        })
    };
    let progress = |least: u64| {
        for_condition("writes to go on", PATIENCE, || {
            let n = *written.lock().unwrap_or_else(|e| panic!("{e}"));
            if n >= least { Ok(n) } else { Err(format!("{n} written")) }
        })
    };
    let mut before = progress(5);
    for i in 0..6 {
        cluster.nacre(&["group", "snap", "create", &format!("db@s{i}")]).ok();
        before = progress(before + 5);
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap_or_else(|_| panic!("the writer failed"));
    let newest = |name: &str, snap: usize| {
        let export = format!("rbd/{name}@.group.db.s{snap}");
        let mut nbd =
            Nbd::connect(&cluster.nbd(), &export, PATIENCE).unwrap_or_else(|e| panic!("{export}: {e}"));
        let number = |at: u64, nbd: &mut Nbd| {
            let bytes = nbd.read(at, 8).unwrap_or_else(|e| panic!("{export}: {e}"));
            u64::from_le_bytes(std::array::from_fn(|i| bytes[i]))
        };
        (0..3).map(|i| number(i * (5 << 20), &mut nbd)).max().unwrap_or(0)
    };
    let mut seen = Vec::new();
    for i in 0..6 {
        let (log, data) = (newest("log", i), newest("data", i));
        assert!(log == data || log == data + 1, "snapshot {i}: the log has {log}, the data {data}");
        seen.push(log);
    }
    assert!(seen.is_sorted() && seen[0] >= 5, "{seen:?}");
    cluster.nacre(&["group", "snap", "rollback", "db@s2"]).ok();
    let at_s2 = Nbd::connect(&cluster.nbd(), "rbd/log", PATIENCE).and_then(|mut nbd| nbd.read(0, 8));
    assert!(at_s2.is_ok());
    cluster.nacre(&["group", "rm", "db"]).fails(1, "snapshots");
    for i in 0..6 {
        cluster.nacre(&["group", "snap", "rm", &format!("db@s{i}")]).ok();
    }
    let left = cluster.json(&["image", "snap", "ls", "log"]);
    assert_eq!(left["snapshots"].as_array().map(Vec::len), Some(0), "{left}");
    cluster.nacre(&["group", "rm", "db"]).ok();
    say!("  six snapshots of a group under writes: {seen:?}");
}
