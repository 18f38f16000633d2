//! rclone sync of a real tree while each OSD in turn is killed with -9 and started again: no file differs afterwards.

use std::time::{Duration, Instant};
use tests_cluster::clients::client;
use tests_cluster::run::{Background, run};
use tests_cluster::settings::sized;
use tests_cluster::tree::{LEAST, Tree};
use tests_cluster::{Cluster, Options, say, wait};

const PATIENCE: Duration = Duration::from_secs(1200);
const CLEAN: Duration = Duration::from_secs(240);

#[test]
fn sync_under_kills() {
    let cluster = Cluster::start("sync_under_kills", Options { osd_size: "4G", ..Options::default() });
    let tree = Tree::real(sized(LEAST + 500, usize::MAX), cluster.beside());
    say!("  {}: {} files, {} MiB", tree.about, tree.files.len(), tree.bytes >> 20);
    let list = cluster.beside().join("files");
    std::fs::write(&list, tree.files.join("\n") + "\n").expect("writable");
    let s3 = cluster.s3();
    s3.make_bucket("tree");
    let rclone = |verb: &str, more: &[&str]| {
        let mut command = client(&cluster, "rclone");
        command
            .args([verb, "--files-from-raw"])
            .arg(&list)
            .arg("--fast-list")
            .args(more)
            .arg(&tree.root)
            .arg("nacre:tree");
        command
    };

    let begin = Instant::now();
    let errors = cluster.beside().join("sync.err");
    // No retries: the cluster has to hide its own failures.
    let flags = ["--transfers", "16", "--checkers", "16", "--retries", "1", "--low-level-retries", "1"];
    let mut sync = Background::start(&mut rclone("sync", &flags), &errors);
    let said = || std::fs::read_to_string(&errors).unwrap_or_default();
    let seen = || s3.list("tree").len();
    for (turn, osd) in ["osd.0", "osd.1", "osd.2"].into_iter().enumerate() {
        // At one, two and three fifths of the tree, or later where the recovery before took longer.
        let goal = tree.files.len() * (turn + 1) / 5;
        wait::until(&format!("{goal} files uploaded"), PATIENCE, Duration::from_millis(700), || {
            assert!(sync.ended().is_none(), "the sync ended before {osd} was killed: {}", said());
            let now = seen();
            if now >= goal { Ok(()) } else { Err(format!("{now} so far")) }
        });
        let killed = Instant::now();
        cluster.kill9(osd);
        // The middle one comes back at once, before anybody has noticed; the others after.
        let noticed = turn != 1;
        if noticed {
            cluster.wait_noticed_down(turn as i64, Duration::from_secs(60));
        }
        cluster.daemon_start(osd);
        let clean = cluster.wait_clean(3, CLEAN);
        say!(
            "  {osd} killed at {goal} files, started {}; clean after {:.1} s ({:.1} s of waiting); sync {}",
            if noticed { "after it was noticed" } else { "at once" },
            killed.elapsed().as_secs_f64(),
            clean.as_secs_f64(),
            if sync.ended().is_none() { "goes on" } else { "has ended" }
        );
    }
    let status = wait::until("rclone sync", PATIENCE, Duration::from_secs(1), || {
        sync.ended().ok_or_else(|| format!("{} files so far", seen()))
    });
    assert!(status.success(), "rclone sync, without any retry of its own, ended with {status}: {}", said());
    let took = begin.elapsed().as_secs_f64();
    say!(
        "  synced in {took:.1} s: {:.0} files/s, {:.1} MB/s",
        tree.files.len() as f64 / took,
        tree.bytes as f64 / took / 1e6
    );

    let begin = Instant::now();
    let check = run(&mut rclone("check", &["--download", "--checkers", "16"]), PATIENCE).ok();
    assert!(check.err().contains("0 differences found"), "{}", check.err());
    assert!(check.err().contains(&format!("{} matching files", tree.files.len())), "{}", check.err());
    say!("  check --download: 0 differences in {:.1} s", begin.elapsed().as_secs_f64());
    cluster.wait_clean(3, CLEAN);
}
