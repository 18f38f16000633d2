//! What `nacre up` refuses: exit code 2, one clear sentence, nothing changed. And what it must not refuse: a folder
//! whose last `up` was killed.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tests_cluster::content::bytes;
use tests_cluster::daemons;
use tests_cluster::run::Finished;
use tests_cluster::sections::Sections;
use tests_cluster::{Cluster, Options, say};

const BUCKET: &str = "kept";

/// Exit code 2 and one sentence that holds each of `parts`.
#[track_caller]
fn refused(done: &Finished, parts: &[&str]) {
    let err = done.err();
    let lines: Vec<&str> = err.lines().filter(|l| !l.trim().is_empty()).collect();
    assert_eq!(done.code(), 2, "`{}`: {}", done.what, done.said());
    assert_eq!(lines.len(), 1, "one sentence is wanted:\n{err}");
    assert!(lines[0].len() < 600, "a clear sentence is shorter:\n{err}");
    for part in parts {
        assert!(err.contains(part), "`{part}` is not in: {err}");
    }
    say!("        {}", lines[0]);
}

fn value_of<'a>(words: &'a [String], flag: &str) -> &'a str {
    let at = words.iter().position(|w| w == flag).unwrap_or_else(|| panic!("{flag}"));
    &words[at + 1]
}

fn with(words: &[String], flag: &str, value: &str) -> Vec<String> {
    let mut words = words.to_vec();
    let at = words.iter().position(|w| w == flag).unwrap_or_else(|| panic!("{flag}"));
    words[at + 1] = value.into();
    words
}

fn before_anything_exists() {
    let cluster = Cluster::prepare("refused", Options::default());
    let (words, dir) = (cluster.words(), cluster.dir());
    for flag in ["--s3", "--admin"] {
        let taken = TcpListener::bind(value_of(&words, flag)).expect("free a moment ago");
        let addr = taken.local_addr().expect("bound").to_string();
        refused(&cluster.up_refused(&words), &[&addr, flag]);
        assert!(!dir.exists(), "{} was made", dir.display());
    }
    refused(&cluster.up_refused(&with(&words, "--osd-size", "100T")), &["--osd-size"]);
    refused(&cluster.up_refused(&with(&words, "--osd-size", "1M")), &["--osd-size", "256 MiB"]);
    refused(&cluster.up_refused(&with(&words, "--mons", "2")), &["--mons"]);
    refused(&cluster.up_refused(&with(&words, "--osds", "1")), &["--pool-size"]);
    assert!(!dir.exists(), "{} was made", dir.display());

    std::fs::create_dir_all(&dir).expect("writable");
    std::fs::write(dir.join("thesis.txt"), "years of work").expect("writable");
    refused(&cluster.up_refused(&words), &[&dir.display().to_string()]);
    let names: Vec<_> = std::fs::read_dir(&dir).expect("readable").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["thesis.txt"], "nothing was added");
    let nowhere = with(&words, "--data", &cluster.beside().join("no-cluster-here").display().to_string());
    let status: Vec<String> =
        ["status".to_string(), "--data".into(), value_of(&nowhere, "--data").into()].into();
    refused(&cluster.up_refused(&status), &["no-cluster-here"]);
    assert_eq!(cluster.up_refused(&["up".into(), "--osds".into(), "many".into()]).code(), 2, "usage");
}

fn twice(cluster: &Cluster, content: &[u8]) {
    refused(&cluster.up_refused(&cluster.words()), &[&cluster.dir().display().to_string()]);
    // Other ports do not help.
    let other = with(&cluster.words(), "--s3", "127.0.0.1:0");
    refused(&cluster.up_refused(&other), &[&cluster.dir().display().to_string()]);
    assert_eq!(cluster.s3().get(BUCKET, "object").as_deref(), Some(content), "the first one goes on");
}

fn leftovers(cluster: &mut Cluster, content: &[u8]) {
    cluster.kill_up();
    let left = daemons::below(&cluster.dir());
    assert_eq!(left.len(), 5, "the daemons outlive a killed `up`: {left:?}");
    assert_eq!(cluster.s3().get(BUCKET, "object").as_deref(), Some(content), "and go on serving");
    let took = cluster.up();
    assert!(left.iter().all(|pid| !daemons::runs(*pid)), "the old daemons are gone");
    say!("        {} leftover daemons replaced in {:.1} s", left.len(), took.as_secs_f64());
    assert_eq!(cluster.s3().get(BUCKET, "object").as_deref(), Some(content));
}

fn stopped_and_resumed(cluster: &mut Cluster, content: &[u8]) {
    assert_eq!(cluster.stop(), 0);
    assert_eq!(daemons::below(&cluster.dir()), [0; 0], "no daemon is left");
    let took = cluster.up();
    say!("        resumed in {:.1} s", took.as_secs_f64());
    assert_eq!(cluster.s3().get(BUCKET, "object").as_deref(), Some(content));
}

fn damaged_superblock(cluster: &mut Cluster, content: &[u8]) {
    assert_eq!(cluster.stop(), 0);
    let path = cluster.dir().join("osd.0/data");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut saved = vec![0; 1 << 20];
    file.read_exact_at(&mut saved, 0).expect("readable");
    for (what, garbage) in [("zeros", vec![0; 1 << 20]), ("noise", bytes(6, 1 << 20))] {
        file.write_all_at(&garbage, 0).expect("writable");
        let done = cluster.up_refused(&cluster.words());
        refused(&done, &["osd.0"]);
        assert_eq!(daemons::below(&cluster.dir()), [0; 0], "{what}: no daemon is left");
    }
    file.write_all_at(&saved, 0).expect("writable");
    cluster.up();
    assert_eq!(cluster.s3().get(BUCKET, "object").as_deref(), Some(content), "nothing else was touched");
}

fn damaged_settings(cluster: &mut Cluster, content: &[u8]) {
    assert_eq!(cluster.stop(), 0);
    let path = cluster.dir().join("cluster.toml");
    let saved = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    std::fs::write(&path, b"fsid = [").expect("writable");
    refused(&cluster.up_refused(&cluster.words()), &["cluster.toml"]);
    std::fs::write(&path, saved).expect("writable");
    // It only advertises.
    let _ = std::fs::remove_file(cluster.dir().join("cluster.json"));
    cluster.up();
    assert_eq!(cluster.s3().get(BUCKET, "object").as_deref(), Some(content));
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[test]
fn start_refusals() {
    let mut sections = Sections::new();
    sections.run("ports, sizes, foreign folders, nonsense", before_anything_exists);
    let mut cluster = Cluster::start("start_refusals", Options::default());
    let content = bytes(5, 6 << 20);
    cluster.s3().make_bucket(BUCKET);
    cluster.s3().put(BUCKET, "object", &content);
    assert!(exists(&cluster.dir().join("cluster.json")));
    sections.run("a second `up` on the same folder", || twice(&cluster, &content));
    sections.run("daemons left over by a killed `up`", || leftovers(&mut cluster, &content));
    sections.run("stopped and resumed", || stopped_and_resumed(&mut cluster, &content));
    sections.run("a damaged superblock", || damaged_superblock(&mut cluster, &content));
    sections.run("damaged settings", || damaged_settings(&mut cluster, &content));
    sections.finish();
}
