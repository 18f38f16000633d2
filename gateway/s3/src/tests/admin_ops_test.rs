//! The Admin Ops API: who may ask, and what is answered, in RGW's shapes.

use super::*;
use crate::storage::{Caps, NewKey, NewUser, Secret, Storage, StorageConfig};
use client::Answer;
use serde_json::{Value, json};

/// A gateway with `root`, who may administer everything.
async fn world() -> World {
    let w = World::start_with(|config| config.cache_ttl = std::time::Duration::ZERO).await;
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

fn code(answer: &Answer) -> (u16, String) {
    let value: Value = serde_json::from_slice(&answer.body).unwrap();
    (answer.status, value["Code"].as_str().unwrap().to_string())
}

#[tokio::test]
async fn only_capabilities_let_in() {
    let w = world().await;
    assert_eq!(code(&w.call(call("GET", "/admin/user?uid=bob")).await), (403, "AccessDenied".into()));
    let anonymous = w.call(call("GET", "/admin/user?uid=bob").anonymous()).await;
    assert_eq!(code(&anonymous), (403, "AccessDenied".into()));
    told(&w, "PUT", "/admin/user?caps&uid=bob&user-caps=users%3Dread").await;
    let by_bob = |method: &str, target: &str| call(method, target).by("bob-key", "bob-secret");
    assert_eq!(w.call(by_bob("GET", "/admin/user?uid=bob")).await.status, 200);
    for (method, target) in [
        ("PUT", "/admin/user?uid=eve&display-name=Eve"),
        ("POST", "/admin/user?uid=bob&max-buckets=0"),
        ("DELETE", "/admin/user?uid=alice"),
        ("PUT", "/admin/user?caps&uid=bob&user-caps=users%3D*"),
        ("PUT", "/admin/user?key&uid=alice"),
        ("GET", "/admin/bucket"),
        ("GET", "/admin/metadata/user"),
        ("GET", "/admin/usage"),
        ("GET", "/admin/info"),
    ] {
        assert_eq!(code(&w.call(by_bob(method, target)).await), (403, "AccessDenied".into()), "{target}");
    }
    // Any region is as good as RGW's zonegroup; a wrong key is not.
    let mut elsewhere = call("GET", "/admin/info").by("root-key", "root-secret");
    elsewhere.region = "default".into();
    assert_eq!(w.call(elsewhere).await.status, 200);
    let forged = call("GET", "/admin/info").by("root-key", "wrong");
    assert_eq!(code(&w.call(forged).await), (403, "SignatureDoesNotMatch".into()));
    assert_eq!(w.send("PUT", "/admin").await.refusal(), (400, "InvalidBucketName".into()));
    w.stop().await;
}

#[tokio::test]
async fn a_user_lives_and_dies() {
    let w = world().await;
    let made = told(&w, "PUT", "/admin/user?uid=t1%24eve&display-name=Eve%20E&email=Eve@Example.com&access-key=EVE1&secret-key=eves-secret&max-buckets=2").await;
    assert_eq!((&made["tenant"], &made["user_id"]), (&json!("t1"), &json!("eve")));
    assert_eq!((&made["email"], &made["max_buckets"]), (&json!("eve@example.com"), &json!(2)));
    let key = json!([{ "user": "t1$eve", "access_key": "EVE1", "secret_key": "eves-secret" }]);
    assert_eq!(made["keys"], key);
    assert_eq!(
        (&made["suspended"], &made["subusers"], &made["type"]),
        (&json!(0), &json!([]), &json!("rgw"))
    );
    for (target, status, refusal) in [
        ("/admin/user?uid=t1%24eve&display-name=x", 409, "UserAlreadyExists"),
        ("/admin/user?uid=e2&display-name=x&email=eve@example.com", 409, "EmailExists"),
        ("/admin/user?uid=e2&display-name=x&access-key=EVE1&secret-key=12345678", 409, "KeyExists"),
        ("/admin/user?uid=e2", 400, "InvalidArgument"),
        ("/admin/user?uid=e2&display-name=x&user-caps=all", 400, "InvalidCapability"),
        ("/admin/user?uid=e2&display-name=x&key-type=swift", 501, "NotImplemented"),
    ] {
        assert_eq!(code(&ask(&w, "PUT", target).await), (status, refusal.into()), "{target}");
    }
    let eve = |method: &str, target: &str| call(method, target).by("EVE1", "eves-secret");
    for bucket in ["/one", "/two", "/one"] {
        assert_eq!(w.call(eve("PUT", bucket)).await.status, 200, "{bucket}");
    }
    assert_eq!(w.call(eve("PUT", "/three")).await.refusal(), (400, "TooManyBuckets".into()));

    let changed =
        told(&w, "POST", "/admin/user?uid=eve&tenant=t1&display-name=E&email=e@x.org&suspended=true").await;
    assert_eq!((&changed["display_name"], &changed["suspended"]), (&json!("E"), &json!(1)));
    // The old address is free again, the new one is taken.
    told(&w, "POST", "/admin/user?uid=alice&email=eve@example.com").await;
    assert_eq!(
        code(&ask(&w, "POST", "/admin/user?uid=bob&email=E@X.org").await),
        (409, "EmailExists".into())
    );
    assert_eq!(w.call(eve("GET", "/one")).await.refusal(), (403, "UserSuspended".into()));
    told(&w, "POST", "/admin/user?uid=t1%24eve&suspended=false").await;

    let keys = told(&w, "PUT", "/admin/user?key&uid=t1%24eve").await;
    assert_eq!(keys.as_array().map(Vec::len), Some(2));
    assert_eq!(ask(&w, "DELETE", "/admin/user?key&access-key=EVE1&uid=bob").await.status, 403);
    told(&w, "DELETE", "/admin/user?key&access-key=EVE1").await;
    assert_eq!(w.call(eve("GET", "/one")).await.refusal(), (403, "InvalidAccessKeyId".into()));
    assert_eq!(told(&w, "GET", "/admin/user?uid=t1%24eve").await["keys"].as_array().map(Vec::len), Some(1));

    assert_eq!(code(&ask(&w, "DELETE", "/admin/user?uid=t1%24eve").await), (409, "BucketNotEmpty".into()));
    told(&w, "DELETE", "/admin/user?uid=t1%24eve&purge-data=true").await;
    assert_eq!(code(&ask(&w, "GET", "/admin/user?uid=t1%24eve").await), (404, "NoSuchUser".into()));
    assert_eq!(told(&w, "GET", "/admin/metadata/user").await, json!(["alice", "bob", "root"]));
    let page = told(&w, "GET", "/admin/metadata/user?max-entries=2").await;
    assert_eq!(page, json!({ "keys": ["alice", "bob"], "count": 2, "truncated": true, "marker": "bob" }));
    w.stop().await;
}

#[tokio::test]
async fn quotas_hold_and_buckets_are_told() {
    let w = world().await;
    w.put("/bucket/k", &[7; 600]).await;
    let stats = told(&w, "GET", "/admin/bucket?bucket=bucket&stats=true").await;
    assert_eq!((&stats["owner"], &stats["usage"]["rgw.main"]["size"]), (&json!("alice"), &json!(600)));
    assert_eq!(stats["usage"]["rgw.main"]["num_objects"], json!(1));
    let off = told(&w, "GET", "/admin/user?quota&uid=alice&quota-type=user").await;
    assert_eq!((&off["enabled"], &off["max_size"]), (&json!(false), &json!(-1)));
    told(&w, "PUT", "/admin/user?quota&uid=alice&quota-type=user&max-size=1000&enabled=true").await;
    let put = |n: usize| call("PUT", "/bucket/l").body(vec![1; n]);
    assert_eq!(w.call(put(401)).await.refusal(), (403, "QuotaExceeded".into()));
    assert_eq!(w.call(put(400)).await.status, 200);
    assert_eq!(w.call(put(1)).await.refusal(), (403, "QuotaExceeded".into()));
    let started = w.send("POST", "/bucket/big?uploads").await.one("UploadId");
    let part = call("PUT", &format!("/bucket/big?partNumber=1&uploadId={started}")).body(vec![1; 2]);
    assert_eq!(w.call(part).await.refusal(), (403, "QuotaExceeded".into()));
    assert_eq!(w.send("DELETE", "/bucket/k").await.status, 204);
    assert_eq!(w.call(put(300)).await.status, 200, "what was deleted makes room");

    // A document instead of parameters; and the bucket's own quota.
    let quota = call("PUT", "/admin/bucket?quota&uid=alice&bucket=bucket")
        .by("root-key", "root-secret")
        .body(r#"{"enabled": true, "max_objects": 1, "max_size_kb": 4}"#);
    assert_eq!(w.call(quota).await.status, 200);
    let stats = told(&w, "GET", "/admin/bucket?bucket=bucket").await;
    assert_eq!(
        (&stats["bucket_quota"]["max_objects"], &stats["bucket_quota"]["max_size"]),
        (&json!(1), &json!(4096))
    );
    assert_eq!(w.call(call("PUT", "/bucket/m").body("x")).await.refusal(), (403, "QuotaExceeded".into()));

    assert_eq!(told(&w, "GET", "/admin/bucket").await, json!(["bucket"]));
    assert_eq!(told(&w, "GET", "/admin/bucket?uid=bob").await, json!([]));
    let check = told(&w, "GET", "/admin/bucket?index&bucket=bucket").await;
    assert_eq!((&check["missing"], &check["wrong_size"]), (&json!([]), &json!([])));
    told(&w, "PUT", "/admin/bucket?bucket=bucket&uid=bob").await;
    assert_eq!(told(&w, "GET", "/admin/bucket?uid=bob").await, json!(["bucket"]));
    assert_eq!(told(&w, "GET", "/admin/bucket?uid=alice").await, json!([]));
    assert_eq!(w.send("GET", "/bucket").await.status, 403);
    assert_eq!(w.call(call("GET", "/bucket/l").by("bob-key", "bob-secret")).await.status, 200);
    assert_eq!(code(&ask(&w, "DELETE", "/admin/bucket?bucket=bucket").await), (409, "BucketNotEmpty".into()));
    told(&w, "DELETE", "/admin/bucket?bucket=bucket&purge-objects=true").await;
    assert_eq!(code(&ask(&w, "GET", "/admin/bucket?bucket=bucket").await), (404, "NoSuchBucket".into()));
    w.stop().await;
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let w = world().await;
    for (method, target) in [
        ("GET", "/admin/realm"),
        ("POST", "/admin/bucket?bucket=bucket&uid=alice"),
        ("GET", "/admin/log"),
        ("PUT", "/admin/metadata/user?key=alice"),
    ] {
        assert_eq!(code(&ask(&w, method, target).await), (501, "NotImplemented".into()), "{target}");
    }
    assert_eq!(ask(&w, "GET", "/admin/nothing").await.status, 405);
    assert_eq!(told(&w, "GET", "/admin/usage").await, json!({ "entries": [], "summary": [] }));
    let info = told(&w, "GET", "/admin/info").await;
    assert_eq!(info["info"]["storage_backends"][0]["name"], "rados");
    w.stop().await;
}
