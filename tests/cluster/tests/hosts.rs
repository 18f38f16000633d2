//! A cluster made host by host: three directories stand for three hosts, each daemon with a name of its own host in CRUSH's tree.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests_cluster::run::run;
use tests_cluster::scratch::Scratch;
use tests_cluster::settings::nacre;
use tests_cluster::wait::until;
use tests_cluster::{daemons, ports};

const PATIENCE: Duration = Duration::from_secs(180);

struct Hosts {
    scratch: Scratch,
}

impl Drop for Hosts {
    fn drop(&mut self) {
        daemons::kill_all_below(self.scratch.path());
    }
}

impl Hosts {
    fn dir(&self, host: &str) -> PathBuf {
        self.scratch.path().join(host)
    }
    fn try_nacre(&self, host: &str, words: &[&str]) -> tests_cluster::run::Finished {
        run(Command::new(nacre()).args(words).arg("--data").arg(self.dir(host)), PATIENCE)
    }
    fn nacre(&self, host: &str, words: &[&str]) -> String {
        let done = self.try_nacre(host, words);
        assert!(done.status.success(), "{words:?} on {host}: {}", done.said());
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
    fn json(&self, host: &str, words: &[&str]) -> Value {
        let text = self.nacre(host, &[words, &["--format", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{words:?}: {e}: {text}"))
    }
    fn token(&self, words: &[&str]) -> String {
        self.nacre("one", &[&["cluster", "token"], words].concat()).trim().to_owned()
    }
    fn clean(&self, host: &str) {
        until("every PG active+clean", PATIENCE, Duration::from_millis(500), || {
            let rows = self.json(host, &["pg", "ls"]);
            let rows = rows["pgs"].as_array().cloned().unwrap_or_default();
            let dirty = rows.iter().filter(|pg| pg["state"] != "active+clean").count();
            if rows.is_empty() || dirty > 0 { Err(format!("{dirty} of {}", rows.len())) } else { Ok(()) }
        });
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

#[test]
fn three_hosts_become_a_cluster_and_any_of_them_may_stop() {
    let hosts = Hosts { scratch: Scratch::new("hosts") };
    let size = ["--osd-size", "256M"];
    let init = ["cluster", "init", "--addr", "127.0.0.1", "--host", "one", "--osds", "1"];
    hosts.nacre("one", &[&init[..], &size].concat());
    assert_eq!(hosts.try_nacre("one", &[&init[..], &size].concat()).status.code(), Some(2), "only once");
    let early = hosts.try_nacre("one", &["gateway", "add"]);
    assert!(early.status.code() == Some(1) && early.said().contains("join more hosts"), "{}", early.said());
    assert_eq!(hosts.try_nacre("two", &["join", "nonsense", "--addr", "127.0.0.1"]).status.code(), Some(2));
    for host in ["two", "three"] {
        let token = hosts.token(&["--osds", "1", "--mon"]);
        let words = ["join", &token, "--addr", "127.0.0.1", "--host", host];
        hosts.nacre(host, &[&words[..], &size].concat());
        let again = hosts.try_nacre(host, &words);
        assert!(
            again.status.code() == Some(2) && again.said().contains("joined already"),
            "{}",
            again.said()
        );
    }
    let tree = hosts.json("three", &["osd", "tree"]).to_string();
    for host in ["one", "two", "three"] {
        assert!(tree.contains(&format!("\"{host}\"")), "{tree}");
    }
    assert_eq!(hosts.json("two", &["mon", "ls"])["mons"].as_array().map(Vec::len), Some(3));
    assert!(!hosts.dir("two").join("keys/ca.key").exists(), "the authority stays where it is");

    let (s3, admin, nbd) = (ports::free(), ports::free(), ports::free());
    hosts.nacre("one", &["gateway", "add", "--s3", &s3, "--admin", &admin, "--nbd", &nbd]);
    hosts.clean("two");
    let file = hosts.dir("object");
    write(&file, "what three hosts hold");
    let file = file.display().to_string();
    hosts.nacre("two", &["object", "put", "rbd", "greeting", &file]);
    // A host goes, in order; the others go on, and it comes back.
    hosts.nacre("three", &["cluster", "stop"]);
    let text = hosts.nacre("two", &["object", "get", "rbd", "greeting", "-"]);
    assert_eq!(text, "what three hosts hold");
    hosts.nacre("three", &["cluster", "start"]);
    hosts.clean("one");
    // All of them, host by host, so that the last has no quorum any more; and back, in another order.
    for host in ["two", "three", "one"] {
        hosts.nacre(host, &["cluster", "stop"]);
    }
    for host in ["three", "one", "two"] {
        hosts.nacre(host, &["cluster", "start"]);
    }
    hosts.clean("one");
    until("the object after all hosts were stopped", PATIENCE, Duration::from_secs(1), || {
        let got = hosts.try_nacre("two", &["object", "get", "rbd", "greeting", "-"]);
        if got.stdout == text.as_bytes() { Ok(()) } else { Err(got.said()) }
    });
}
