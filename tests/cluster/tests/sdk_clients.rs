//! The SDK clients of Rust, each walking through what it can do: aws-sdk-rust, object_store, OpenDAL.
//!
//! They are a workspace of their own (`tests/sdk-clients`), built here: about two minutes of one core when nothing is
//! there yet, beside the program under test, so that the next run finds it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tests_cluster::clients::{client, must};
use tests_cluster::run::run;
use tests_cluster::sections::Sections;
use tests_cluster::{Cluster, Options, say, settings};

/// A machine that compiles something else beside it.
const BUILD_PATIENCE: Duration = Duration::from_secs(1800);

/// Builds the program with the clients in it.
fn build() -> PathBuf {
    let release = settings::nacre();
    let target = release.ancestors().nth(2).expect("TARGET/release/nacre").join("sdk-clients");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--locked"])
        .current_dir(settings::checkout().join("tests/sdk-clients"));
    command.env("CARGO_TARGET_DIR", &target);
    let built = run(&mut command, BUILD_PATIENCE).ok();
    say!("  the clients were built in {:.1} s", built.took.as_secs_f64());
    target.join("debug/tests-sdk-clients")
}

#[test]
fn sdk_clients() {
    let program = build();
    let cluster = Cluster::start("sdk-clients", Options::default());
    let mut sections = Sections::new();
    for (name, bucket) in
        [("aws-sdk-s3", None), ("object_store", Some("object-store")), ("opendal", Some("opendal"))]
    {
        sections.run(name, || {
            if let Some(bucket) = bucket {
                cluster.s3().make_bucket(bucket);
            }
            let done = must(client(&cluster, &program.display().to_string()).arg(name));
            assert!(done.out().ends_with(": all done\n"), "{}", done.out());
        });
    }
    sections.finish();
}
