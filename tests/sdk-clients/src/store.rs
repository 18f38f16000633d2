//! object_store, as Arrow, DataFusion, Delta and others use it: streamed multipart, ranges, conditional puts, bulk
//! deletes, presigned URLs.

use crate::Endpoint;
use crate::content::{bytes, same};
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{Method, Signer};
use object_store::{
    Attribute, Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    UpdateVersion, WriteMultipart,
};
use std::time::Duration;

const BUCKET: &str = "object-store";

fn open(endpoint: &Endpoint) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(&endpoint.url)
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name(BUCKET)
        .with_access_key_id(&endpoint.access)
        .with_secret_access_key(&endpoint.secret)
        .build()
        .expect("a store")
}

async fn get(store: &AmazonS3, path: &Path) -> Vec<u8> {
    store.get(path).await.expect("a get").bytes().await.expect("its body").to_vec()
}

/// Everything, one after the other. The bucket is there: this client makes none.
pub async fn walk(endpoint: &Endpoint) {
    let store = open(endpoint);
    let path = Path::from("a b/\u{e4}+&=%.bin");
    let large = bytes(10, 300_000);
    let attributes = [(Attribute::ContentType, "text/x-test")].into_iter().collect();
    let options = PutOptions { attributes, ..PutOptions::default() };
    store.put_opts(&path, PutPayload::from(large.clone()), options).await.expect("a put");
    let got = store.get(&path).await.expect("a get");
    assert_eq!(got.attributes.get(&Attribute::ContentType).map(|v| v.as_ref()), Some("text/x-test"));
    same(&got.bytes().await.expect("its body"), &large);
    same(&store.get_range(&path, 1000..2000).await.expect("a range"), &large[1000..2000]);
    let ranges = store.get_ranges(&path, &[0..10, 299_990..300_000]).await.expect("two ranges");
    same(&ranges[1], &large[299_990..]);
    assert_eq!(store.head(&path).await.expect("a head").size, 300_000);
    store.copy(&path, &Path::from("copy")).await.expect("a copy");
    same(&get(&store, &Path::from("copy")).await, &large);
    assert!(matches!(store.get(&Path::from("none")).await, Err(Error::NotFound { .. })));

    let whole = bytes(11, 12 << 20);
    let parts = Path::from("parts");
    let mut upload = WriteMultipart::new(store.put_multipart(&parts).await.expect("an upload"));
    for piece in whole.chunks(700_001) {
        upload.wait_for_capacity(2).await.expect("room");
        upload.write(piece);
    }
    upload.finish().await.expect("completion");
    same(&get(&store, &parts).await, &whole);
    let never = store.put_multipart(&Path::from("never")).await.expect("an upload");
    WriteMultipart::new(never).abort().await.expect("an abort");

    conditions(&store).await;
    listings(&store).await;
    let url = store.signed_url(Method::GET, &path, Duration::from_secs(60)).await.expect("a URL");
    let answer = reqwest::get(url.as_str()).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    same(&answer.bytes().await.expect("its body"), &large);

    let all: Vec<_> = store.list(None).map_ok(|m| m.location).try_collect().await.expect("all there is");
    for path in all {
        store.delete(&path).await.expect("a delete");
    }
}

async fn conditions(store: &AmazonS3) {
    let lock = Path::from("lock");
    let mode = |mode| PutOptions { mode, ..PutOptions::default() };
    let first = store.put_opts(&lock, "1".into(), mode(PutMode::Create)).await.expect("the first one");
    let second = store.put_opts(&lock, "1".into(), mode(PutMode::Create)).await;
    assert!(matches!(second, Err(Error::AlreadyExists { .. })), "{second:?}");
    let known = || PutMode::Update(UpdateVersion { e_tag: first.e_tag.clone(), version: None });
    store.put_opts(&lock, "2".into(), mode(known())).await.expect("the one that knows it");
    let stale = store.put_opts(&lock, "3".into(), mode(known())).await;
    assert!(matches!(stale, Err(Error::Precondition { .. })), "{stale:?}");
    let options =
        GetOptions { if_none_match: store.head(&lock).await.expect("a head").e_tag, ..GetOptions::default() };
    assert!(matches!(store.get_opts(&lock, options).await, Err(Error::NotModified { .. })));
    same(&get(store, &lock).await, b"2");
}

async fn listings(store: &AmazonS3) {
    for i in 0..30 {
        store.put(&Path::from(format!("list/{:02}/{i}", i % 3)), "x".into()).await.expect("a put");
    }
    let prefix = Path::from("list");
    let all: Vec<_> = store.list(Some(&prefix)).try_collect().await.expect("a listing");
    assert_eq!(all.len(), 30);
    let later: Vec<_> = store
        .list_with_offset(Some(&prefix), &Path::from("list/01/zzz"))
        .try_collect()
        .await
        .expect("a later listing");
    assert_eq!(later.len(), 10);
    let folded = store.list_with_delimiter(Some(&prefix)).await.expect("prefixes");
    assert_eq!((folded.common_prefixes.len(), folded.objects.len()), (3, 0));
    // Many at once, in one request.
    let doomed = futures_util::stream::iter(all.into_iter().map(|m| Ok(m.location))).boxed();
    let deleted: Vec<_> = store.delete_stream(doomed).try_collect().await.expect("bulk deletes");
    assert_eq!(deleted.len(), 30);
}
