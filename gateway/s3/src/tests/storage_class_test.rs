//! Storage classes as clients see them: chosen, reported, refused, changed; and rules that move objects.

use super::*;
use crate::lifecycle::look;
use crate::storage::{Storage, StorageConfig};
use gateway_client::Rados;
use stdx::time::WallTime;

async fn world() -> World {
    let w = World::start().await;
    let storage = Storage::new(w.rados.clone(), StorageConfig::default());
    storage.storage_class_set("COLD", "s3.cold").await.unwrap();
    storage.storage_class_set("COLDER", "s3.colder").await.unwrap();
    w
}

fn put(key: &str, class: &str, body: &[u8]) -> Call {
    call("PUT", key).header("x-amz-storage-class", class).body(body)
}

async fn class_of(w: &World, key: &str) -> String {
    let head = w.send("HEAD", key).await;
    assert_eq!(head.status, 200, "{head:?}");
    head.header("x-amz-storage-class").to_string()
}

#[tokio::test]
async fn they_are_chosen_and_reported() {
    let w = world().await;
    assert_eq!(w.call(put("/bucket/a", "COLD", b"x")).await.status, 200);
    assert_eq!(w.call(put("/bucket/b", "STANDARD", b"x")).await.status, 200);
    assert_eq!(
        w.call(put("/bucket/c", "GLACIER", b"x")).await.refusal(),
        (400, "InvalidStorageClass".into())
    );
    assert_eq!(
        (class_of(&w, "/bucket/a").await, class_of(&w, "/bucket/b").await),
        ("COLD".into(), "".into())
    );
    assert_eq!(w.get("/bucket/a").await, b"x");
    for listing in ["/bucket", "/bucket?list-type=2", "/bucket?versions"] {
        assert_eq!(w.send("GET", listing).await.all("StorageClass"), ["COLD", "STANDARD"], "{listing}");
    }
    let asked = call("GET", "/bucket/a?attributes").header("x-amz-object-attributes", "StorageClass");
    assert_eq!(w.call(asked).await.one("StorageClass"), "COLD");

    let begin = call("POST", "/bucket/m?uploads").header("x-amz-storage-class", "COLDER");
    let id = w.call(begin).await.one("UploadId");
    let part = w.call(call("PUT", &format!("/bucket/m?partNumber=1&uploadId={id}")).body("part")).await;
    assert_eq!(w.send("GET", "/bucket?uploads").await.one("StorageClass"), "COLDER");
    assert_eq!(w.send("GET", &format!("/bucket/m?uploadId={id}")).await.one("StorageClass"), "COLDER");
    let whole = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.header("etag")
    );
    assert_eq!(w.call(call("POST", &format!("/bucket/m?uploadId={id}")).body(whole)).await.status, 200);
    assert_eq!(
        (class_of(&w, "/bucket/m").await, w.get("/bucket/m").await),
        ("COLDER".into(), b"part".to_vec())
    );
    let begin = call("POST", "/bucket/m?uploads").header("x-amz-storage-class", "NONE");
    assert_eq!(w.call(begin).await.refusal(), (400, "InvalidStorageClass".into()));
    w.stop().await;
}

#[tokio::test]
async fn a_copy_onto_itself_changes_the_class() {
    let w = world().await;
    let first = call("PUT", "/bucket/k").header("x-amz-meta-color", "blue").body("x");
    assert_eq!(w.call(first).await.status, 200);
    let copy = |class: &str| {
        call("PUT", "/bucket/k").header("x-amz-copy-source", "/bucket/k").header("x-amz-storage-class", class)
    };
    assert_eq!(w.call(copy("COLD")).await.status, 200);
    let head = w.send("HEAD", "/bucket/k").await;
    assert_eq!((head.header("x-amz-storage-class"), head.header("x-amz-meta-color")), ("COLD", "blue"));
    assert_eq!(w.call(copy("COLD")).await.refusal(), (400, "InvalidRequest".into()), "nothing changes");
    assert_eq!(w.call(copy("NONE")).await.refusal(), (400, "InvalidStorageClass".into()));
    let elsewhere = call("PUT", "/bucket/l").header("x-amz-copy-source", "/bucket/k");
    assert_eq!(w.call(elsewhere).await.status, 200);
    assert_eq!(class_of(&w, "/bucket/l").await, "", "a class never goes along");
    assert_eq!(w.call(copy("STANDARD")).await.status, 200);
    assert_eq!(class_of(&w, "/bucket/k").await, "");
    w.stop().await;
}

#[tokio::test]
async fn rules_move_what_is_due() {
    let w = world().await;
    let rules = |inner: &str| {
        let text = format!("<LifecycleConfiguration>{inner}</LifecycleConfiguration>");
        call("PUT", "/bucket?lifecycle").body(text)
    };
    let to = |id: &str, filter: &str, days: u32, class: &str| {
        format!(
            "<Rule><ID>{id}</ID><Status>Enabled</Status>{filter}<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition></Rule>"
        )
    };
    let all = "<Filter/>";
    assert_eq!(w.call(rules(&to("r", all, 1, "NONE"))).await.refusal(), (400, "InvalidStorageClass".into()));
    for key in ["a/1", "b/1", "b/2"] {
        w.put(&format!("/bucket/{key}"), b"x").await;
    }
    let tagged = call("PUT", "/bucket/t/1").header("x-amz-tagging", "move=yes").body("x");
    assert_eq!(w.call(tagged).await.status, 200);
    w.put("/bucket/t/2", b"x").await;
    let tag = "<Filter><Tag><Key>move</Key><Value>yes</Value></Tag></Filter>";
    let text = [
        to("1", "<Prefix>a/</Prefix>", 1, "COLD"),
        to("2", "<Prefix>a/</Prefix>", 15, "COLDER"),
        to("3", "<Prefix>b/1</Prefix>", 60, "COLD"),
        to("4", tag, 1, "COLDER"),
    ]
    .concat();
    assert_eq!(w.call(rules(&text)).await.status, 200);
    let put_at = w.send("HEAD", "/bucket/a/1").await.header("last-modified").to_string();
    let storage = Storage::new(w.rados.clone(), StorageConfig::default());
    let classes = async || w.send("GET", "/bucket").await.all("StorageClass");
    let later = |s: u64| w.rados.set_now(WallTime(w.rados.now().0 + s * 1_000_000_000));
    later(10);
    look(&storage, 1, Some(1000)).await.unwrap();
    assert_eq!(classes().await, ["COLD", "STANDARD", "STANDARD", "COLDER", "STANDARD"]);
    later(10);
    look(&storage, 1, Some(1000)).await.unwrap();
    assert_eq!(classes().await, ["COLDER", "STANDARD", "STANDARD", "COLDER", "STANDARD"]);
    let head = w.send("HEAD", "/bucket/a/1").await;
    assert_eq!((head.header("last-modified"), w.get("/bucket/a/1").await), (put_at.as_str(), b"x".to_vec()));

    // Older versions by their own rule.
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(w.call(call("PUT", "/bucket?versioning").body(on)).await.status, 200);
    w.put("/bucket/b/2", b"y").await;
    let older = "<Rule><ID>o</ID><Status>Enabled</Status><Prefix>b/</Prefix><NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><StorageClass>COLD</StorageClass></NoncurrentVersionTransition></Rule>";
    assert_eq!(w.call(rules(older)).await.status, 200);
    later(10);
    look(&storage, 1, Some(1000)).await.unwrap();
    let versions = w.send("GET", "/bucket?versions&prefix=b%2F").await;
    assert_eq!(versions.all("StorageClass"), ["STANDARD", "STANDARD", "COLD"]);
    w.stop().await;
}
