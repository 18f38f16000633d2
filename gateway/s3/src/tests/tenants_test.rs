//! Tenants: names of buckets of their own, addressed from outside as `TENANT:BUCKET`.

use super::*;
use crate::storage::{NewKey, NewUser, Secret, Storage, StorageConfig};

async fn world() -> World {
    let w = World::start().await;
    let storage = Storage::new(w.rados.clone(), StorageConfig::default());
    for (uid, key) in [("red$ann", "ann-key"), ("blue$ann", "blue-key")] {
        let mut new = NewUser::new(uid, uid);
        new.key = NewKey::Given(key.into(), Secret::new("tenants-secret"));
        storage.user_make(new).await.unwrap();
    }
    w
}

fn red(method: &str, target: &str) -> Call {
    call(method, target).by("ann-key", "tenants-secret")
}
fn blue(method: &str, target: &str) -> Call {
    call(method, target).by("blue-key", "tenants-secret")
}

#[tokio::test]
async fn one_name_is_many_buckets() {
    let w = world().await;
    w.put("/bucket/k", b"alice's").await;
    for (by, body) in [(red as fn(&str, &str) -> Call, "red"), (blue, "blue")] {
        assert_eq!(w.call(by("PUT", "/bucket")).await.status, 200);
        assert_eq!(w.call(by("PUT", "/bucket/k").body(body)).await.status, 200);
        assert_eq!(w.call(by("GET", "/bucket/k")).await.text(), body);
        let listed = w.call(by("GET", "/")).await;
        assert_eq!(listed.all("Name"), ["bucket"]);
    }
    assert_eq!(w.get("/bucket/k").await, b"alice's");
    assert_eq!(w.call(red("GET", "/red:bucket/k")).await.text(), "red");
    for target in ["/:bucket/k", "/blue:bucket/k", "/blue%3Abucket/k"] {
        assert_eq!(w.call(red("GET", target)).await.refusal(), (403, "AccessDenied".into()), "{target}");
    }
    for target in ["/green:bucket/k", "/red:nothing/k", "/red:red:bucket/k", "/red:/k"] {
        assert_eq!(w.call(red("GET", target)).await.status, 404, "{target}");
    }
    assert_eq!(w.call(red("PUT", "/blue:new-one")).await.refusal(), (403, "AccessDenied".into()));
    assert_eq!(w.call(red("PUT", "/:new-one")).await.refusal(), (403, "AccessDenied".into()));
    let copy = red("PUT", "/bucket/copy").header("x-amz-copy-source", "/blue:bucket/k");
    assert_eq!(w.call(copy).await.refusal(), (403, "AccessDenied".into()));
    assert_eq!(w.call(red("DELETE", "/bucket/k")).await.status, 204);
    assert_eq!(w.call(red("DELETE", "/bucket")).await.status, 204);
    assert_eq!(w.get("/bucket/k").await, b"alice's");
    w.stop().await;
}

#[tokio::test]
async fn policies_name_tenants() {
    let w = world().await;
    assert_eq!(w.call(red("PUT", "/shared")).await.status, 200);
    assert_eq!(w.call(red("PUT", "/shared/k").body("red")).await.status, 200);
    let policy = |principal: &str, resource: &str| {
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{principal}"}}, "Action": "s3:GetObject", "Resource": "{resource}"}}}}"#
        )
    };
    let set = |text: String| red("PUT", "/shared?policy").body(text);
    let read = || blue("GET", "/red:shared/k");
    for (principal, resource, may) in [
        ("arn:aws:iam::blue:user/ann", "arn:aws:s3:::shared/*", true),
        ("arn:aws:iam::blue:root", "arn:aws:s3::red:shared/*", true),
        ("arn:aws:iam::red:user/ann", "arn:aws:s3:::shared/*", false),
        ("arn:aws:iam:::user/ann", "arn:aws:s3:::shared/*", false),
        ("arn:aws:iam::123456789012:user/ann", "arn:aws:s3:::shared/*", false),
    ] {
        assert_eq!(w.call(set(policy(principal, resource))).await.status, 204, "{principal}");
        assert_eq!(w.call(read()).await.status, if may { 200 } else { 403 }, "{principal}");
    }
    let foreign = w.call(set(policy("*", "arn:aws:s3::blue:shared/*"))).await;
    assert_eq!(foreign.refusal(), (400, "MalformedPolicy".into()));
    w.stop().await;
}
