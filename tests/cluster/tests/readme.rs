//! The README's first session, run as it would be pasted.

use std::path::Path;
use std::time::Duration;
use tests_cluster::clients::{client, must};
use tests_cluster::sections::Sections;
use tests_cluster::{Cluster, Options, settings};

/// The shell blocks under a heading.
fn blocks(text: &str, heading: &str) -> Vec<String> {
    let section = text.split("\n## ").find(|part| part.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("the README has no `## {heading}`"));
    section
        .split("```sh\n")
        .skip(1)
        .map(|b| b.split("\n```").next().unwrap_or_default().to_string())
        .collect()
}

fn run(cluster: &Cluster, script: &str) -> String {
    let bin = settings::nacre();
    let bin = bin.parent().unwrap_or(Path::new("/")).display().to_string();
    let script = format!("PATH={bin}:$PATH\nset -x\n{script}\n");
    let mut command = client(cluster, "bash");
    command.args(["-eu", "-o", "pipefail", "-c", &script]).current_dir(settings::checkout());
    command.env("NACRE_DATA", cluster.dir());
    must(&mut command).out()
}

#[test]
fn readme() {
    let text = std::fs::read_to_string(settings::checkout().join("README.md")).expect("it is there");
    let blocks = blocks(&text, "A first session");
    assert!(blocks.len() >= 3, "the clients' block, the operator's and the disk's");
    let cluster = Cluster::start("readme", Options::default());
    let (access, secret) = cluster.keys();
    // Only what a reader is told to fill in, and where this cluster lies.
    let fill = |block: &str| {
        block
            .replace("AWS_ACCESS_KEY_ID=...", &format!("AWS_ACCESS_KEY_ID={access}"))
            .replace("AWS_SECRET_ACCESS_KEY=...", &format!("AWS_SECRET_ACCESS_KEY={secret}"))
            .replace("127.0.0.1:9000", &cluster.s3().host)
            .replace("127.0.0.1:10809", &cluster.nbd())
            .replace("nacre-data/", &format!("{}/", cluster.dir().display()))
    };
    let mut sections = Sections::new();
    sections.run("the clients' block", || {
        let out = run(&cluster, &fill(&blocks[0]));
        assert!(out.contains("README.md"), "{out}");
        assert!(out.contains("no errors were found"), "{out}");
    });
    sections.run("the operator's block", || {
        let out = run(&cluster, &fill(&blocks[1]));
        assert!(out.contains("HEALTH_"), "{out}");
        cluster.wait_clean(3, Duration::from_secs(180));
    });
    sections.run("the disk's block", || {
        let out = run(&cluster, &fill(&blocks[2]));
        assert!(out.contains("-blockdev driver=nbd") && out.contains("1 objects"), "{out}");
    });
    sections.finish();
}
