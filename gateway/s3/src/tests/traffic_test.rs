//! Rate limits, the usage log and subusers, through the Admin Ops API and as clients meet them.

use super::client::Answer;
use super::*;
use crate::storage::{Caps, NewKey, NewUser, Secret, Storage, StorageConfig};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

async fn world() -> World {
    let w = World::start_with(|config| config.cache_ttl = Duration::ZERO).await;
    let storage = Storage::new(w.rados.clone(), StorageConfig::default());
    let mut root = NewUser::new("root", "Root");
    root.user.caps = Caps::all();
    root.key = NewKey::Given("root-key".into(), Secret::new("root-secret"));
    storage.user_make(root).await.unwrap();
    w
}

async fn ask(w: &World, method: &str, target: &str) -> Answer {
    w.call(call(method, target).by("root-key", "root-secret")).await
}

async fn told(w: &World, method: &str, target: &str) -> Value {
    let answer = ask(w, method, target).await;
    assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

async fn status(w: &World, method: &str, target: &str) -> u16 {
    w.send(method, target).await.status
}

#[tokio::test]
async fn whoever_asks_too_much_is_slowed_down() {
    let w = world().await;
    w.put("/bucket/k", b"x").await;
    told(&w, "POST", "/admin/ratelimit?ratelimit-scope=user&uid=alice&max-read-ops=3&enabled=true").await;
    let shown = told(&w, "GET", "/admin/ratelimit?ratelimit-scope=user&uid=alice").await;
    let wanted = json!({ "max_read_ops": 3, "max_write_ops": 0, "max_read_bytes": 0, "max_write_bytes": 0, "enabled": true });
    assert_eq!(shown["user_ratelimit"], wanted);
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(status(&w, "GET", "/bucket/k").await);
    }
    assert_eq!(seen, [200, 200, 200, 503, 503]);
    let slow = w.send("GET", "/bucket/k").await;
    assert_eq!((slow.refusal(), slow.header("retry-after")), ((503, "SlowDown".into()), "1"));
    assert_eq!(status(&w, "PUT", "/bucket/l").await, 200, "writes are not limited");
    told(&w, "POST", "/admin/ratelimit?ratelimit-scope=user&uid=alice&enabled=false").await;
    assert_eq!(status(&w, "GET", "/bucket/k").await, 200);

    // Of a bucket, by the bytes that are written: the one that goes over is let through and paid for later.
    told(
        &w,
        "POST",
        "/admin/ratelimit?ratelimit-scope=bucket&bucket=bucket&max-write-bytes=100&enabled=true",
    )
    .await;
    let put = call("PUT", "/bucket/m").body([7; 150]);
    assert_eq!((w.call(put.clone()).await.status, w.call(put).await.status), (200, 503));
    assert_eq!(status(&w, "GET", "/bucket/k").await, 200);
    told(&w, "POST", "/admin/ratelimit?ratelimit-scope=bucket&bucket=bucket&enabled=false").await;

    // Of all who do not sign.
    told(&w, "POST", "/admin/ratelimit?global=true&ratelimit-scope=anonymous&max-read-ops=1&enabled=true")
        .await;
    let global = told(&w, "GET", "/admin/ratelimit?global=true").await;
    assert_eq!(
        (&global["anonymous_ratelimit"]["max_read_ops"], &global["user_ratelimit"]["enabled"]),
        (&json!(1), &json!(false))
    );
    let anonymous = || w.call(call("GET", "/bucket/k").anonymous());
    assert_eq!((anonymous().await.status, anonymous().await.status), (403, 503));
    let wrong = ask(&w, "POST", "/admin/ratelimit?ratelimit-scope=all&uid=alice").await;
    assert_eq!(wrong.status, 400);
    let denied = w.send("GET", "/admin/ratelimit?global=true").await;
    assert_eq!(denied.status, 403);
    w.stop().await;
}

#[tokio::test]
async fn usage_is_logged_shown_and_trimmed() {
    let w = world().await;
    w.put("/bucket/before", b"not logged").await;
    w.usage_log.store(true, Ordering::Relaxed);
    w.put("/bucket/k", &[7; 100]).await;
    assert_eq!(w.get("/bucket/k").await.len(), 100);
    assert_eq!(status(&w, "GET", "/bucket/none").await, 404);
    assert_eq!(status(&w, "GET", "/nowhere/k").await, 404);
    assert_eq!(w.call(call("PUT", "/bobs").by("bob-key", "bob-secret")).await.status, 200);
    // What is in memory is stored at the end at the latest.
    let rados = w.rados.clone();
    w.stop().await;
    let w = World::resume(rados).await;
    let shown = told(&w, "GET", "/admin/usage").await;
    let users: Vec<_> = shown["summary"].as_array().unwrap().iter().map(|s| s["user"].clone()).collect();
    assert_eq!(users, ["alice", "bob"]);
    let rows = shown["entries"][0]["buckets"].as_array().unwrap();
    let of = |category: &str| {
        let of_bucket = rows.iter().filter(|b| b["bucket"] == "bucket");
        let mut all = of_bucket.flat_map(|b| b["categories"].as_array().unwrap());
        all.find(|c| c["category"] == category).cloned().unwrap()
    };
    assert!(rows.iter().any(|b| b["bucket"] == "-"), "of a bucket that is not there");
    assert_eq!(
        of("put_obj"),
        json!({ "category": "put_obj", "bytes_sent": 0, "bytes_received": 100, "ops": 1, "successful_ops": 1 })
    );
    let gets = of("get_obj");
    assert_eq!((&gets["ops"], &gets["successful_ops"]), (&json!(2), &json!(1)));
    assert!(gets["bytes_sent"].as_u64().unwrap() > 100, "the error's document, too");
    assert_eq!(rows[0]["time"].as_str().unwrap().len(), 27);
    let bobs = told(&w, "GET", "/admin/usage?uid=bob&show-entries=false").await;
    assert_eq!(
        (bobs["entries"].is_null(), &bobs["summary"][0]["categories"][0]["category"]),
        (true, &json!("create_bucket"))
    );
    let none = told(&w, "GET", "/admin/usage?start=2001-01-01&end=2001-01-02%2000:00:00").await;
    assert_eq!((&none["entries"], &none["summary"]), (&json!([]), &json!([])));
    assert_eq!(ask(&w, "GET", "/admin/usage?start=soon").await.status, 400);
    assert_eq!(ask(&w, "DELETE", "/admin/usage").await.status, 400, "of all users only by saying so");
    told(&w, "DELETE", "/admin/usage?uid=alice").await;
    assert_eq!(told(&w, "GET", "/admin/usage").await["summary"].as_array().unwrap().len(), 1);
    told(&w, "DELETE", "/admin/usage?remove-all=true").await;
    assert_eq!(told(&w, "GET", "/admin/usage").await["entries"], json!([]));
    w.stop().await;
}

#[tokio::test]
async fn subusers_act_as_far_as_they_are_let() {
    let w = world().await;
    w.put("/bucket/k", b"x").await;
    let made = told(
        &w,
        "PUT",
        "/admin/user?subuser&uid=alice&subuser=alice:reader&access=read&access-key=reader-key&secret-key=reader-secret",
    )
    .await;
    assert_eq!(made, json!([{ "id": "alice:reader", "permissions": "read" }]));
    let reader = |method: &str, target: &str| w.call(call(method, target).by("reader-key", "reader-secret"));
    assert_eq!(reader("GET", "/bucket/k").await.status, 200);
    assert_eq!(reader("GET", "/bucket").await.status, 200);
    for (method, target) in
        [("PUT", "/bucket/l"), ("DELETE", "/bucket/k"), ("GET", "/bucket/k?acl"), ("POST", "/bucket?delete")]
    {
        assert_eq!(reader(method, target).await.refusal(), (403, "AccessDenied".into()), "{method} {target}");
    }
    told(&w, "POST", "/admin/user?subuser=reader&uid=alice&access=readwrite").await;
    assert_eq!(reader("PUT", "/bucket/l").await.status, 200);
    let user = told(&w, "GET", "/admin/user?uid=alice").await;
    assert_eq!(user["subusers"][0]["permissions"], "read-write");
    let keys: Vec<_> = user["keys"].as_array().unwrap().iter().map(|k| k["user"].clone()).collect();
    assert!(keys.contains(&json!("alice:reader")) && keys.contains(&json!("alice")), "{keys:?}");
    assert_eq!(ask(&w, "PUT", "/admin/user?subuser=reader&uid=alice").await.status, 409);
    assert_eq!(ask(&w, "PUT", "/admin/user?subuser=a/b&uid=alice").await.status, 400);
    assert_eq!(ask(&w, "DELETE", "/admin/user?subuser=other&uid=alice").await.status, 404);
    told(&w, "DELETE", "/admin/user?subuser=reader&uid=alice").await;
    assert_eq!(reader("GET", "/bucket/k").await.refusal(), (403, "InvalidAccessKeyId".into()));
    w.stop().await;
}
