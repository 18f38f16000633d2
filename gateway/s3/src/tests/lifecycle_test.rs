//! Lifecycle rules: their verbs and headers, and what workers do about them.

use super::*;
use crate::lifecycle::look;
use crate::storage::{LifecycleRow, Stage, Storage, StorageConfig};
use gateway_client::{MemoryRados, Rados};
use stdx::time::WallTime;

fn rules(inner: &str) -> Call {
    let text = format!("<LifecycleConfiguration>{inner}</LifecycleConfiguration>");
    call("PUT", "/bucket?lifecycle").body(text)
}

fn rule(id: &str, inner: &str) -> String {
    format!("<Rule><ID>{id}</ID><Status>Enabled</Status>{inner}</Rule>")
}

async fn set(w: &World, inner: &str) {
    let answer = w.call(rules(inner)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn keep_versions(w: &World) {
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(w.call(call("PUT", "/bucket?versioning").body(on)).await.status, 200);
}

/// A worker's handle, and the time: ten seconds, or days of one second, after everything so far.
fn worker(w: &World) -> Storage<MemoryRados> {
    let now = w.rados.now();
    w.rados.set_now(WallTime(now.0 + 10_000_000_000));
    Storage::new(w.rados.clone(), StorageConfig::default())
}

const DAY: Option<u64> = Some(1000);
const ONE_DAY: &str = "<Expiration><Days>1</Days></Expiration>";

async fn keys(w: &World) -> Vec<String> {
    w.send("GET", "/bucket").await.all("Key")
}

#[tokio::test]
async fn rules_are_kept_and_objects_say_when_they_end() {
    let w = World::start().await;
    assert_eq!(w.send("DELETE", "/bucket?lifecycle").await.status, 204);
    set(&w, &format!("{}<Rule><Status>Disabled</Status><Filter/>{ONE_DAY}</Rule>", rule("r1", &format!("<Prefix>a/</Prefix>{ONE_DAY}<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>")))).await;
    let shown = w.send("GET", "/bucket?lifecycle").await;
    assert_eq!((shown.all("Prefix"), shown.all("ID").len()), (vec!["a/".to_string()], 2));
    let put = w.call(call("PUT", "/bucket/a/k").body("x")).await;
    assert!(put.header("x-amz-expiration").ends_with("GMT\", rule-id=\"r1\""), "{put:?}");
    for method in ["GET", "HEAD"] {
        assert_eq!(
            w.send(method, "/bucket/a/k").await.header("x-amz-expiration"),
            put.header("x-amz-expiration")
        );
    }
    assert_eq!(w.call(call("PUT", "/bucket/b").body("x")).await.find("x-amz-expiration"), None);
    let upload = w.send("POST", "/bucket/a/m?uploads").await;
    assert_eq!(upload.header("x-amz-abort-rule-id"), "r1");
    assert_eq!(w.send("DELETE", "/bucket?lifecycle").await.status, 204);
    assert_eq!(
        w.send("GET", "/bucket?lifecycle").await.refusal(),
        (404, "NoSuchLifecycleConfiguration".into())
    );
    w.stop().await;
}

#[tokio::test]
async fn what_is_due_goes_and_the_rest_stays() {
    let w = World::start().await;
    for key in ["old/1", "old/2", "keep/1", "later/1"] {
        w.put(&format!("/bucket/{key}"), b"x").await;
    }
    w.put("/bucket/big", &[7; 3000]).await;
    let tagged = |key: &str, tags: &str| call("PUT", key).header("x-amz-tagging", tags).body("x");
    assert_eq!(w.call(tagged("/bucket/t/1", "a=1&b=2")).await.status, 200);
    assert_eq!(w.call(tagged("/bucket/t/2", "a=1")).await.status, 200);
    let uploads = ["old/u", "keep/u"];
    for key in uploads {
        assert_eq!(w.send("POST", &format!("/bucket/{key}?uploads")).await.status, 200);
    }
    let both = "<Filter><And><Prefix>t/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value>2</Value></Tag></And></Filter>";
    let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    set(
        &w,
        &[
            rule("old", &format!("<Prefix>old/</Prefix>{ONE_DAY}{abort}")),
            rule("later", "<Prefix>later/</Prefix><Expiration><Days>60</Days></Expiration>"),
            rule(
                "big",
                &format!("<Filter><ObjectSizeGreaterThan>2000</ObjectSizeGreaterThan></Filter>{ONE_DAY}"),
            ),
            rule("tags", &format!("{both}{ONE_DAY}")),
        ]
        .concat(),
    )
    .await;
    let storage = worker(&w);
    look(&storage, 1, DAY).await.unwrap();
    assert_eq!(keys(&w).await, ["keep/1", "later/1", "t/2"]);
    assert_eq!(w.send("GET", "/bucket?uploads").await.all("Key"), ["keep/u"]);
    let (name, row) = storage.lifecycle_rows().await.unwrap().remove(0);
    assert_eq!((name.as_str(), row.stage, row.worker), ("bucket", Stage::Done, 0));
    w.stop().await;
}

#[tokio::test]
async fn older_versions_markers_and_locks() {
    let w = World::start().await;
    keep_versions(&w).await;
    for n in 0..5 {
        w.put("/bucket/k", format!("{n}").as_bytes()).await;
        w.put("/bucket/other", b"x").await;
    }
    w.put("/bucket/gone", b"x").await;
    assert_eq!(w.send("DELETE", "/bucket/gone").await.status, 204);
    let versions = |w: &World| {
        let listing = call("GET", "/bucket?versions");
        let address = w.address;
        async move { listing.send(address).await }
    };
    set(&w, &[
        rule("k", "<Prefix>k</Prefix><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>"),
        rule("gone", "<Prefix>gone</Prefix><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"),
        rule("other", &format!("<Prefix>other</Prefix>{ONE_DAY}")),
    ].concat()).await;
    let storage = worker(&w);
    look(&storage, 1, DAY).await.unwrap();
    let first = versions(&w).await;
    let count =
        |answer: &super::client::Answer, key: &str| answer.all("Key").iter().filter(|k| *k == key).count();
    assert_eq!((count(&first, "k"), count(&first, "other"), count(&first, "gone")), (3, 6, 1));
    assert_eq!(first.all("DeleteMarker").len(), 2, "one lonely, one made by the rule");
    worker(&w);
    look(&storage, 1, DAY).await.unwrap();
    assert_eq!(count(&versions(&w).await, "gone"), 0);

    // What is locked stays, and nothing stops because of it.
    let lock =
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
    assert_eq!(w.call(call("PUT", "/bucket?object-lock").body(lock)).await.status, 200);
    let held = call("PUT", "/bucket/held").header("x-amz-object-lock-legal-hold", "ON").body("x");
    assert_eq!(w.call(held).await.status, 200);
    w.put("/bucket/held", b"y").await;
    set(&w, &rule("all", "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>")).await;
    worker(&w);
    look(&storage, 1, DAY).await.unwrap();
    let last = versions(&w).await;
    assert_eq!((count(&last, "held"), count(&last, "k")), (2, 1));
    w.stop().await;
}

#[tokio::test]
async fn one_works_on_a_bucket_and_another_goes_on_where_it_stopped() {
    let w = World::start().await;
    for key in ["a", "b", "c"] {
        w.put(&format!("/bucket/{key}"), b"x").await;
    }
    set(&w, &rule("all", &format!("<Filter/>{ONE_DAY}"))).await;
    let storage = worker(&w);
    let (name, row) = storage.lifecycle_rows().await.unwrap().remove(0);
    let now_ms = w.rados.now().millis();
    let after = Some("a".to_string());
    let taken = LifecycleRow {
        stage: Stage::Versions { after },
        begun_ms: now_ms,
        worker: 1,
        lease_ms: now_ms + 5000,
        ..row.clone()
    };
    assert!(storage.lifecycle_exchange(&name, &row, Some(&taken)).await.unwrap());
    assert!(!storage.lifecycle_exchange(&name, &row, None).await.unwrap(), "it has changed");
    look(&storage, 2, DAY).await.unwrap();
    assert_eq!(keys(&w).await, ["a", "b", "c"]);
    worker(&w);
    look(&storage, 2, DAY).await.unwrap();
    assert_eq!(keys(&w).await, ["a"], "it begins behind what is done");
    look(&storage, 2, DAY).await.unwrap();
    assert_eq!(keys(&w).await, [""; 0]);
    assert_eq!(w.send("DELETE", "/bucket").await.status, 204);
    w.rados.set_now(WallTime(w.rados.now().0 + 3_700_000_000_000));
    look(&storage, 2, DAY).await.unwrap();
    assert_eq!(storage.lifecycle_rows().await.unwrap(), [], "a bucket that is gone has no rounds");
    w.stop().await;
}
