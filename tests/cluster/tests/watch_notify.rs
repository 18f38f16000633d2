//! Watchers of an object hear of every notify, through the loss of its primary; who is gone is dropped, and every
//! notifier is told who heard him.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, say};

const POOL: &str = "watched";
const OBJECT: &str = "o";
const TIMEOUT_SECONDS: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// A `nacre object watch` that runs.
struct Watcher {
    child: Child,
    lines: Receiver<Value>,
    reply: String,
    client: String,
}

impl Watcher {
    fn start(cluster: &Cluster, reply: &str) -> Watcher {
        let timeout = TIMEOUT_SECONDS.to_string();
        let words =
            ["object", "watch", POOL, OBJECT, "--timeout", &timeout, "--reply", reply, "--format", "json"];
        let mut child = Command::new(tests_cluster::settings::nacre())
            .args(words)
            .arg("--data")
            .arg(cluster.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nacre starts");
        let out = child.stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut watcher = Watcher { child, lines, reply: reply.into(), client: String::new() };
        let first = watcher.next();
        assert_eq!(first["watching"], OBJECT, "{first}");
        watcher.client = first["client"].as_str().expect("who it is").to_string();
        watcher
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("the watcher says something")
    }

    /// What it heard so far, without repetitions in a row: a notify that is asked anew of a new primary is another one.
    fn heard(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .lines
            .try_iter()
            .map(|line| line["message"].as_str().unwrap_or_else(|| panic!("{line}")).to_string())
            .collect();
        all.dedup();
        all
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Notifies; who acknowledged with what, and who did not.
fn notify(cluster: &Cluster, message: &str) -> (Vec<(String, String)>, Vec<String>) {
    let done =
        cluster.nacre(&["object", "notify", POOL, OBJECT, message, "--timeout", "20", "--format", "json"]);
    let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", done.said()));
    let text = |v: &Value| v.as_str().expect("text").to_string();
    let acks = told["acks"].as_array().expect("acks").iter();
    let mut acks: Vec<(String, String)> = acks.map(|a| (text(&a["client"]), text(&a["reply"]))).collect();
    acks.sort();
    let missed: Vec<String> =
        told["missed"].as_array().expect("missed").iter().map(|m| text(&m["client"])).collect();
    assert_eq!(done.code(), i32::from(!missed.is_empty()), "{}", done.said());
    (acks, missed)
}

fn watchers(cluster: &Cluster) -> Vec<String> {
    let all = cluster.json(&["object", "listwatchers", POOL, OBJECT]);
    let all = all["watchers"].as_array().expect("watchers").iter();
    let mut all: Vec<String> = all.map(|w| w["client"].as_str().expect("a client").to_string()).collect();
    all.sort();
    all
}

fn clients(watchers: &[&Watcher]) -> Vec<String> {
    let mut all: Vec<String> = watchers.iter().map(|w| w.client.clone()).collect();
    all.sort();
    all
}

fn acks_of(watchers: &[&Watcher]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        watchers.iter().map(|w| (w.client.clone(), w.reply.clone())).collect();
    all.sort();
    all
}

fn primary(cluster: &Cluster) -> String {
    let found = cluster.json(&["osd", "map", POOL, OBJECT]);
    format!("osd.{}", found["acting_primary"].as_i64().unwrap_or_else(|| panic!("{found}")))
}

#[test]
fn watchers_hear_every_notify_through_the_loss_of_the_primary() {
    let cluster = Cluster::start("watch_notify", Options::default());
    cluster.nacre(&["pool", "create", POOL, "--size", "3", "--pg-num", "8"]).ok();
    cluster.nacre(&["object", "watch", POOL, OBJECT]).fails(1, "no such object");
    let file = cluster.beside().join("o");
    std::fs::write(&file, b"one").expect("a file");
    cluster.nacre(&["object", "put", POOL, OBJECT, &file.display().to_string()]).ok();
    assert_eq!(notify(&cluster, "nobody"), (vec![], vec![]));

    let (a, b, c) =
        (Watcher::start(&cluster, "A"), Watcher::start(&cluster, "B"), Watcher::start(&cluster, "C"));
    assert_eq!(watchers(&cluster), clients(&[&a, &b, &c]));
    assert_eq!(notify(&cluster, "first"), (acks_of(&[&a, &b, &c]), vec![]));

    // The primary dies while a notify is on its way.
    let lost = primary(&cluster);
    let begin = Instant::now();
    let told = std::thread::scope(|scope| {
        let told = scope.spawn(|| notify(&cluster, "second"));
        cluster.kill9(&lost);
        told.join().expect("it is answered")
    });
    assert_eq!(told, (acks_of(&[&a, &b, &c]), vec![]));
    say!("  {lost} killed: the notify was acknowledged by all after {:.1?}", begin.elapsed());
    until("another primary", PATIENCE, Duration::from_millis(200), || {
        let now = primary(&cluster);
        if now == lost { Err(now) } else { Ok(()) }
    });
    assert_eq!(notify(&cluster, "third"), (acks_of(&[&a, &b, &c]), vec![]));
    // Longer than the timeout: who is there is not dropped, by the new primary's clock either.
    let begin = Instant::now();
    until("twice the timeout", PATIENCE, Duration::from_millis(500), || {
        assert_eq!(watchers(&cluster), clients(&[&a, &b, &c]), "after {:.1?}", begin.elapsed());
        if begin.elapsed().as_secs() > 2 * TIMEOUT_SECONDS { Ok(()) } else { Err("not yet".into()) }
    });

    // A watcher dies together with the primary: the next primary drops it in its time, and nobody waits for it for long.
    cluster.daemon_start(&lost);
    cluster.wait_clean(3, Duration::from_secs(120));
    let lost = primary(&cluster);
    let gone = c.client.clone();
    assert_eq!(c.heard(), ["first", "second", "third"]);
    drop(c);
    cluster.kill9(&lost);
    let begin = Instant::now();
    assert_eq!(notify(&cluster, "fourth"), (acks_of(&[&a, &b]), vec![gone]));
    say!("  a watcher and {lost} killed: it was given up after {:.1?}", begin.elapsed());
    assert_eq!(watchers(&cluster), clients(&[&a, &b]));
    assert_eq!(notify(&cluster, "fifth"), (acks_of(&[&a, &b]), vec![]));
    for watcher in [&a, &b] {
        assert_eq!(watcher.heard(), ["first", "second", "third", "fourth", "fifth"]);
    }

    // The watches end with the object.
    cluster.nacre(&["object", "rm", POOL, OBJECT]).ok();
    for mut watcher in [a, b] {
        let ended = until("the watcher ends", PATIENCE, Duration::from_millis(100), || {
            watcher.child.try_wait().expect("a child").ok_or_else(|| "it runs".to_string())
        });
        assert_eq!(ended.code(), Some(1));
    }
    cluster.nacre(&["object", "listwatchers", POOL, OBJECT]).fails(1, "no such object");

    // An erasure-coded pool says that it has none of this.
    cluster.daemon_start(&lost);
    cluster.wait_clean(3, Duration::from_secs(120));
    cluster.nacre(&["ec", "profile", "create", "small", "k=2", "m=1", "crush-failure-domain=osd"]).ok();
    cluster.nacre(&["pool", "create", "shards", "--ec", "small", "--pg-num", "4"]).ok();
    cluster.nacre(&["object", "put", "shards", OBJECT, &file.display().to_string()]).ok();
    cluster.nacre(&["object", "watch", "shards", OBJECT]).fails(1, "operation not supported");
}
