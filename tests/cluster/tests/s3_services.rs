//! What the gateway does around objects: websites, the usage log, rate limits, subusers, accounts, keys of encrypted objects
//! and shards of indexes, by the operator's commands and as clients meet them.

use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tests_cluster::clients::{client, must};
use tests_cluster::s3::Request;
use tests_cluster::s3::list::field;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, S3, say};

/// What gateways remember of users, buckets and settings ends within this.
const NOTICED: Duration = Duration::from_secs(30);
const WEBSITES: &str = "web.example.test";

fn status_becomes(s3: &S3, request: &Request, wanted: u16) {
    for_condition(&format!("{} {} to answer {wanted}", request.method, request.path), NOTICED, || {
        let answer = s3.send(request.clone());
        if answer.status == wanted { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.text())) }
    });
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_string()
}

fn as_user(cluster: &Cluster, made: &Value) -> S3 {
    let url = cluster.s3_url();
    S3::new(url.trim_start_matches("http://"), &text(made, "access_key"), &text(made, "secret_key"))
}

/// The keys of encrypted objects are replaced, and a bucket's index splits and merges, while the gateway serves it.
fn keys_and_shards(cluster: &Cluster) {
    let s3 = cluster.s3();
    s3.make_bucket("sealed");
    let data = b"attack at dawn";
    let sealed = |key: &str| {
        let request = Request::object("PUT", "sealed", key).with("x-amz-server-side-encryption", "AES256");
        s3.must(request.body(data));
    };
    sealed("before");
    cluster.nacre(&["s3", "key", "rotate", "aws/s3"]).ok();
    cluster.nacre(&["s3", "key", "rotate", "--root"]).ok();
    assert_eq!(cluster.nacre(&["s3", "key", "rotate", "none"]).code(), 1);
    assert_eq!(cluster.nacre(&["s3", "key", "rotate"]).code(), 2);
    sealed("later");
    let keys = json!({ "keys": [{ "id": "aws/s3", "versions": 2 }], "former_roots": 0 });
    assert_eq!(cluster.json(&["s3", "key", "ls"]), keys);

    cluster.nacre(&["bucket", "load", "sealed", "--keys", "3000"]).ok();
    let reshard = |keys: &str| {
        let done = cluster.json(&["bucket", "reshard", "sealed", "--max-keys", keys]);
        done["shards"].as_u64().unwrap_or_default()
    };
    assert!(reshard("500") > 4);
    assert_eq!(s3.list("sealed").len(), 3002);
    assert_eq!(reshard("50000"), 1);
    // The gateway believes in the shards that were.
    assert_eq!(s3.list("sealed").len(), 3002);
    for key in ["before", "later"] {
        assert_eq!(s3.get("sealed", key).as_deref(), Some(&data[..]), "{key}");
    }
    assert_eq!(cluster.json(&["bucket", "stats", "sealed"])["objects"], json!(3002));
    let check = cluster.json(&["bucket", "check", "sealed", "--resume"]);
    assert_eq!(check["buckets"][0]["objects"], json!(3002), "{check}");
    assert_eq!(cluster.nacre(&["bucket", "check", "--resume"]).code(), 2, "which?");
}

/// A bucket's log comes by itself, and a journal's record outlives the gateway that answered its request.
fn bucket_logs(cluster: &Cluster) {
    let s3 = cluster.s3();
    let set = |bucket: &str, what: &str, document: &str| {
        s3.must(Request::bucket("PUT", bucket).query(what, "").body(document.as_bytes()));
    };
    for bucket in ["read", "changed", "logs"] {
        s3.make_bucket(bucket);
    }
    let policy = json!({ "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "logging.s3.amazonaws.com" },
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::logs/*",
    }] });
    set("logs", "policy", &policy.to_string());
    for (bucket, more) in
        [("read", "<ObjectRollTime>1</ObjectRollTime>"), ("changed", "<LoggingType>Journal</LoggingType>")]
    {
        let document = format!(
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>{bucket}/</TargetPrefix>{more}</LoggingEnabled></BucketLoggingStatus>"
        );
        set(bucket, "logging", &document);
    }
    s3.put("read", "k", b"hello");
    for_condition("a log object that is due", NOTICED, || {
        let keys: Vec<String> = s3.list("logs").into_keys().collect();
        let lines = keys.iter().filter_map(|key| s3.get("logs", key));
        let found = lines.map(|text| String::from_utf8_lossy(&text).into_owned());
        match found.into_iter().any(|text| text.contains(" REST.PUT.OBJECT k ")) {
            true => Ok(()),
            false => Err(format!("{keys:?}")),
        }
    });
    s3.put("changed", "k", b"hello");
    cluster.kill9("gateway.0");
    cluster.daemon_start("gateway.0");
    let s3 = cluster.s3();
    let flushed = s3.must(Request::bucket("POST", "changed").query("logging", ""));
    let key = field(&flushed.text(), "FlushedLoggingObject").unwrap_or_default();
    let text = String::from_utf8_lossy(&s3.get("logs", &key).unwrap_or_default()).into_owned();
    assert!(text.contains(" REST.PUT.OBJECT k 5 - 5d41402abc4b2a76b9719d911017c592"), "{key}: {text}");
}

#[test]
fn s3_services() {
    let cluster = Cluster::start("s3_services", Options::default());
    for (key, value) in [("rgw_dns_s3website_name", WEBSITES), ("rgw_enable_usage_log", "true")] {
        cluster.nacre(&["config", "set", "gateway", key, value]).ok();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("py/boto3_website.py");
    let done = must(client(&cluster, "python3").arg(script).env("WEBSITE_HOST", WEBSITES));
    done.out().lines().for_each(|line| say!("        {line}"));
    assert!(done.out().lines().any(|line| line == "all done"), "{}", done.out());

    // A user with a subuser that may only read.
    let ann = as_user(&cluster, &cluster.json(&["user", "create", "ann"]));
    ann.make_bucket("anns");
    ann.put("anns", "k", b"x");
    let reader =
        as_user(&cluster, &cluster.json(&["user", "subuser", "create", "ann", "reader", "--access", "read"]));
    assert_eq!(reader.send(Request::object("GET", "anns", "k")).status, 200);
    assert_eq!(reader.send(Request::object("DELETE", "anns", "k")).status, 403);
    cluster.nacre(&["user", "subuser", "rm", "ann", "reader"]).ok();
    status_becomes(&reader, &Request::object("GET", "anns", "k"), 403);

    // She asks too much.
    cluster.nacre(&["ratelimit", "set", "--uid", "ann", "--max-read-ops", "2"]).ok();
    cluster.nacre(&["ratelimit", "enable", "--uid", "ann"]).ok();
    assert_eq!(cluster.json(&["ratelimit", "get", "--uid", "ann"])["max_read_ops"], json!(2));
    status_becomes(&ann, &Request::object("GET", "anns", "k"), 503);
    assert_eq!(ann.send(Request::object("PUT", "anns", "l").body(b"x")).status, 200);
    cluster.nacre(&["ratelimit", "disable", "--uid", "ann"]).ok();
    status_becomes(&ann, &Request::object("GET", "anns", "k"), 200);
    assert_eq!(cluster.nacre(&["ratelimit", "get"]).code(), 2, "whose?");

    // Two roots of an account share what they make.
    let account = text(&cluster.json(&["account", "create", "--name", "Acme"]), "id");
    let root = |uid: &str| {
        let words = ["user", "create", uid, "--account-id", &account, "--account-root"];
        as_user(&cluster, &cluster.json(&words))
    };
    let (one, two) = (root("one"), root("two"));
    one.make_bucket("acmes");
    two.put("acmes", "k", b"x");
    assert_eq!(one.send(Request::object("GET", "acmes", "k")).status, 200);
    assert_eq!(cluster.json(&["bucket", "stats", "acmes"])["owner"], json!(account));
    assert_eq!(cluster.nacre(&["account", "rm", &account]).code(), 1, "it has users");
    assert_eq!(cluster.json(&["account", "info", &account])["users"].as_array().map(Vec::len), Some(2));
    assert_eq!(cluster.json(&["bucket", "check"])["leaked"], json!([]));

    keys_and_shards(&cluster);

    // All of it is in the log, half a minute later at the latest.
    for_condition("the usage log", Duration::from_secs(60), || {
        let shown = cluster.json(&["usage", "show", "--uid", "ann", "--entries"]);
        let entries = shown["entries"].as_array().cloned().unwrap_or_default();
        match entries.iter().any(|entry| entry["bucket"] == "anns") {
            true => Ok(()),
            false => Err(shown.to_string()),
        }
    });
    assert_eq!(cluster.nacre(&["usage", "trim"]).code(), 2, "of whom?");
    cluster.nacre(&["usage", "trim", "--all"]).ok();
    assert_eq!(cluster.json(&["usage", "show", "--uid", "ann"])["summary"], json!([]));

    bucket_logs(&cluster);
}
