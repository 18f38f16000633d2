//! The Admin Ops API with tools that were written for RGW: the `rgwadmin` package, and requests that botocore signs.

use std::path::Path;
use tests_cluster::clients::{client, must};
use tests_cluster::{Cluster, Options};

#[test]
fn admin_tools() {
    let cluster = Cluster::start("admin_tools", Options::default());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("py/rgwadmin_walk.py");
    let done = must(client(&cluster, "python3").arg(script));
    assert!(done.out().lines().any(|line| line == "all done"), "{}", done.out());
}
