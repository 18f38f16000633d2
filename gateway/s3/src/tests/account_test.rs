//! Accounts: what their root users make is the account's.

use super::client::Answer;
use super::*;
use crate::storage::{Caps, NewKey, NewUser, Secret, Storage, StorageConfig};
use serde_json::{Value, json};
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

const ID: &str = "RGW11111111111111111";

#[tokio::test]
async fn an_account_owns_what_its_roots_make() {
    let w = world().await;
    let made = told(&w, "POST", &format!("/admin/account?name=Acme&id={ID}&email=A@acme.test")).await;
    assert_eq!(
        (&made["id"], &made["name"], &made["email"]),
        (&json!(ID), &json!("Acme"), &json!("a@acme.test"))
    );
    let drawn = told(&w, "POST", "/admin/account?name=Other").await;
    assert_eq!(drawn["id"].as_str().unwrap().len(), 20);
    assert_eq!(ask(&w, "POST", &format!("/admin/account?name=Again&id={ID}")).await.status, 409);
    assert_eq!(ask(&w, "POST", "/admin/account?name=Bad&id=x").await.status, 400);
    for (uid, root) in [("ann", "true"), ("ben", "true"), ("cy", "false")] {
        let made = told(&w, "PUT", &format!("/admin/user?uid={uid}&display-name={uid}&account-id={ID}&account-root={root}&access-key={uid}-key&secret-key={uid}-secret")).await;
        assert_eq!(made["account_id"], ID);
        assert_eq!(made["type"], if root == "true" { "root" } else { "rgw" });
    }
    assert_eq!(
        ask(&w, "PUT", "/admin/user?uid=x&display-name=x&account-id=RGW22222222222222222").await.status,
        404
    );
    let by = |uid: &str, method: &str, target: &str| {
        w.call(call(method, target).by(&format!("{uid}-key"), &format!("{uid}-secret")))
    };
    assert_eq!(by("ann", "PUT", "/shared").await.status, 200);
    assert_eq!(by("ben", "PUT", "/shared/k").await.status, 200);
    assert_eq!(by("ann", "GET", "/shared/k").await.status, 200);
    assert_eq!(by("cy", "GET", "/shared/k").await.refusal(), (403, "AccessDenied".into()));
    let listed = by("ben", "GET", "/").await;
    assert_eq!(
        (listed.one("ID"), listed.one("DisplayName"), listed.all("Name")),
        (ID.into(), "Acme".into(), vec!["shared".into()])
    );
    assert_eq!(by("ann", "GET", "/shared?acl").await.one("ID"), ID);
    assert_eq!(told(&w, "GET", "/admin/bucket?bucket=shared").await["owner"], ID);
    assert_eq!(w.send("GET", "/shared").await.status, 403, "alice is of no account");

    // Policies and ACLs name accounts as owners.
    let policy = format!(
        "{{\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"arn:aws:iam::{ID}:root\"}},\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::bucket\"}}]}}"
    );
    assert_eq!(w.call(call("PUT", "/bucket?policy").body(policy)).await.status, 204);
    assert_eq!(by("ben", "GET", "/bucket").await.status, 200);
    let grant = call("PUT", "/bucket/g").header("x-amz-grant-read", &format!("id=\"{ID}\"")).body("x");
    assert_eq!(w.call(grant).await.status, 200);
    assert_eq!(by("ann", "GET", "/bucket/g").await.status, 200);

    // Its quota is of all that it owns.
    told(&w, "PUT", &format!("/admin/account?quota&id={ID}&quota-type=account&max-objects=1&enabled=true"))
        .await;
    assert_eq!(by("ann", "PUT", "/shared/l").await.refusal(), (403, "QuotaExceeded".into()));
    let users = told(&w, "GET", "/admin/user?list").await;
    assert!(!users.to_string().contains("RGW"), "accounts are no users: {users}");
    assert_eq!(ask(&w, "GET", &format!("/admin/user?uid={ID}")).await.status, 404);
    assert_eq!(
        ask(&w, "POST", &format!("/admin/user?uid=ann&account-id={ID}")).await.status,
        200,
        "as it is"
    );

    assert_eq!(ask(&w, "DELETE", &format!("/admin/account?id={ID}")).await.status, 409);
    for key in ["/shared/k", "/shared"] {
        assert_eq!(by("ann", "DELETE", key).await.status, 204);
    }
    for uid in ["ann", "ben", "cy"] {
        told(&w, "DELETE", &format!("/admin/user?uid={uid}")).await;
    }
    told(&w, "DELETE", &format!("/admin/account?id={ID}")).await;
    assert_eq!(ask(&w, "GET", &format!("/admin/account?id={ID}")).await.status, 404);
    w.stop().await;
}
