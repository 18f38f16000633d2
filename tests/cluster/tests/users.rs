//! Users and buckets by the operator's commands and by the Admin Ops API, against a living cluster.

use serde_json::{Value, json};
use std::time::Duration;
use tests_cluster::content::bytes;
use tests_cluster::s3::Request;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, S3};

/// What gateways remember of users and buckets ends within this.
const NOTICED: Duration = Duration::from_secs(30);

fn status_becomes(s3: &S3, request: &Request, wanted: u16) {
    for_condition(&format!("{} {} to answer {wanted}", request.method, request.path), NOTICED, || {
        let answer = s3.send(request.clone());
        if answer.status == wanted { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.text())) }
    });
}

#[test]
fn users_buckets_and_their_limits() {
    let cluster = Cluster::start("users", Options::default());
    let made = cluster.json(&[
        "user",
        "create",
        "red$ann",
        "--display-name",
        "Ann",
        "--email",
        "Ann@Example.org",
        "--max-buckets",
        "2",
    ]);
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_string();
    let host = cluster.s3_url();
    let host = host.trim_start_matches("http://");
    let ann = S3::new(host, &text(&made, "access_key"), &text(&made, "secret_key"));
    let info = cluster.json(&["user", "info", "red$ann"]);
    assert_eq!((&info["tenant"], &info["email"]), (&json!("red"), &json!("ann@example.org")));
    assert_eq!(cluster.nacre(&["user", "info", "nobody"]).code(), 1);
    assert_eq!(cluster.nacre(&["user", "create", "red$ann"]).code(), 1, "there is one already");

    // Large enough for data objects of their own.
    ann.make_bucket("photos");
    ann.put("photos", "big", &bytes(1, 100_000));
    ann.put("photos", "small", b"x");
    let listed = cluster.json(&["bucket", "ls", "--uid", "red$ann"]);
    assert_eq!(listed["buckets"][0]["bucket"], "red/photos");
    let stats = cluster.json(&["bucket", "stats", "red/photos"]);
    assert_eq!((&stats["objects"], &stats["bytes"]), (&json!(2), &json!(100_001)));
    ann.make_bucket("more");
    assert_eq!(ann.send(Request::bucket("PUT", "too-many")).status, 400);

    cluster.nacre(&["user", "quota", "set", "red$ann", "--max-objects", "2"]).ok();
    status_becomes(&ann, &Request::object("PUT", "more", "k").body(b"x"), 403);
    cluster.nacre(&["user", "quota", "disable", "red$ann"]).ok();
    status_becomes(&ann, &Request::object("PUT", "more", "k").body(b"x"), 200);
    cluster.nacre(&["user", "suspend", "red$ann"]).ok();
    status_becomes(&ann, &Request::object("GET", "more", "k"), 403);
    cluster.nacre(&["user", "enable", "red$ann"]).ok();
    status_becomes(&ann, &Request::object("GET", "more", "k"), 200);

    // The first user administers; others need capabilities.
    let admin = Request::new("GET", "/admin/user").query("uid", "red$ann");
    assert_eq!(ann.send(admin.clone()).status, 403);
    let told: Value = serde_json::from_slice(&cluster.s3().must(admin.clone()).body).unwrap_or_default();
    assert_eq!((&told["user_id"], &told["display_name"]), (&json!("ann"), &json!("Ann")));
    let about = Request::new("GET", "/admin/info");
    let about: Value = serde_json::from_slice(&cluster.s3().must(about).body).unwrap_or_default();
    assert_eq!(about["info"]["storage_backends"][0]["cluster_id"], cluster.advert()["fsid"]);
    cluster.nacre(&["user", "caps", "add", "red$ann", "users=read"]).ok();
    status_becomes(&ann, &admin, 200);

    // Everything that the indexes name is there, and nothing else; what is lost is told.
    let check = cluster.json(&["bucket", "check"]);
    assert_eq!(check["leaked"], json!([]), "{check}");
    let objects = cluster.nacre(&["object", "ls", "s3.data"]).ok().out();
    let data: Vec<&str> = objects.lines().filter(|line| line.contains('.')).collect();
    assert_eq!(data.len(), 1, "{objects}");
    cluster.nacre(&["object", "rm", "s3.data", data[0].trim()]).ok();
    let check = cluster.nacre(&["bucket", "check", "red/photos"]);
    assert_eq!(check.code(), 1);
    assert!(check.out().contains("big"), "{}", check.out());

    assert_eq!(cluster.nacre(&["user", "rm", "red$ann"]).code(), 1, "she owns buckets");
    cluster.nacre(&["bucket", "chown", "red/more", "admin"]).ok();
    cluster.nacre(&["user", "rm", "red$ann", "--purge-data"]).ok();
    assert_eq!(cluster.nacre(&["bucket", "stats", "red/photos"]).code(), 1);
    assert_eq!(cluster.json(&["bucket", "stats", "red/more"])["owner"], "admin");
    cluster.nacre(&["bucket", "rm", "red/more", "--purge-objects"]).ok();
}
