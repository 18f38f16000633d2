//! Keys: one that leaked is replaced and kept out, one is revoked and its daemon is off at once, and none of it stops the
//! cluster.

use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, content, say};

const CLEAN: Duration = Duration::from_secs(180);
const BUCKET: &str = "kept";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

/// The fingerprints admitted for a name; none: any.
fn admitted(cluster: &Cluster, name: &str) -> Option<Vec<String>> {
    let shown = cluster.json(&["auth", "ls"]);
    let row = shown["keys"].as_array().into_iter().flatten().find(|row| row["name"] == name).cloned();
    let keys = row.unwrap_or_else(|| panic!("{name} in {shown}"))["admitted"].clone();
    let text = |key: &Value| key.as_str().map(str::to_string);
    keys.as_array().map(|keys| keys.iter().filter_map(text).collect())
}

#[test]
fn keys() {
    let mut cluster = Cluster::start("keys", Options::default());
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let body = content::bytes(1, 100_000);
    s3.put(BUCKET, "o", &body);

    say!("  the administrator's key leaks and is replaced");
    let thief = cluster.beside().join("thief");
    for part in ["", "keys", "conf"] {
        copy(&cluster.dir().join(part), &thief.join(part));
    }
    let stolen = |words: &[&str]| cluster.nacre_at(&thief, words);
    stolen(&["status"]).ok();
    assert_eq!(admitted(&cluster, "client.admin"), None);
    cluster.nacre(&["auth", "rotate", "client.admin"]).ok();
    assert_eq!(admitted(&cluster, "client.admin").map(|keys| keys.len()), Some(2));
    stolen(&["status"]).ok();
    cluster.nacre(&["auth", "settle", "client.admin"]).ok();
    cluster.nacre(&["status"]).ok();
    let refused = stolen(&["status"]);
    assert_eq!(refused.code(), 2, "{}", refused.said());

    say!("  an OSD's key is replaced while it serves");
    cluster.nacre(&["auth", "rotate", "osd.2"]).ok();
    cluster.daemon_stop("osd.2");
    cluster.daemon_start("osd.2");
    cluster.wait_clean(3, CLEAN);
    cluster.nacre(&["auth", "settle", "osd.2"]).ok();
    assert_eq!(admitted(&cluster, "osd.2").map(|keys| keys.len()), Some(1));
    s3.put(BUCKET, "after", &body);
    cluster.wait_clean(3, CLEAN);

    say!("  a key is revoked, and its daemon is off although it runs");
    cluster.nacre(&["auth", "revoke", "osd.1"]).ok();
    cluster.wait_noticed_down(1, Duration::from_secs(60));
    assert!(cluster.pid("osd.1").is_some(), "it runs");
    s3.put(BUCKET, "meanwhile", &body);
    cluster.nacre(&["auth", "allow", "osd.1"]).ok();
    say!("  admitted again it comes back; clean after {:.1?}", cluster.wait_clean(3, CLEAN));
    for key in ["o", "after", "meanwhile"] {
        assert!(s3.get(BUCKET, key) == Some(body.clone()), "{key}");
    }

    say!("  what makes no sense is refused");
    cluster.nacre(&["auth", "revoke", "client.admin"]).fails(1, "rotate");
    cluster.nacre(&["auth", "revoke", "mon.0"]).fails(1, "mon rm");
    cluster.nacre(&["auth", "revoke", "nonsense"]).fails(1, "osd.3");
    cluster.nacre(&["auth", "allow", "osd.7"]).fails(1, "no rule");
    cluster.nacre(&["auth", "rotate", "osd.7"]).fails(2, "osd.7");

    say!("  a removed OSD's key opens nothing");
    cluster.nacre(&["osd", "add"]).ok();
    assert_eq!(admitted(&cluster, "osd.3").map(|keys| keys.len()), Some(1));
    cluster.wait_clean(3, CLEAN);
    cluster.nacre(&["osd", "out", "3"]).ok();
    until("osd.3 to be empty", CLEAN, Duration::from_millis(300), || {
        let pgs = cluster.pgs()?;
        match pgs.iter().filter(|pg| pg.up.contains(&3) || pg.acting.contains(&3)).count() {
            0 => Ok(()),
            left => Err(format!("{left} PGs")),
        }
    });
    cluster.wait_clean(3, CLEAN);
    cluster.daemon_stop("osd.3");
    cluster.nacre(&["osd", "rm", "3", "--zap"]).ok();
    assert_eq!(admitted(&cluster, "osd.3"), Some(Vec::new()));
    assert_eq!(cluster.stop(), 0);
    cluster.up();
    assert!(s3.get(BUCKET, "o") == Some(body));
}
