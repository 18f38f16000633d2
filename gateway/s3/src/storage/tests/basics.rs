//! Users, buckets, objects and uploads, one thing at a time.

use super::*;
use osd_object::model::Model;

fn attrs() -> ObjectAttrs {
    ObjectAttrs {
        headers: [("content-type".to_string(), "text/plain".to_string())].into(),
        metadata: [("colour".to_string(), "grün".to_string())].into(),
        ..ObjectAttrs::default()
    }
}

#[tokio::test]
async fn objects_of_every_size_come_back_whole_and_by_range() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    for size in [0usize, 1, 16, 17, 99, 100, 101, 250, 1000] {
        let data: Vec<u8> = (0..size).map(|i| i as u8).collect();
        let mut body = TestBody::new(data.clone(), 33);
        let done = s.put(&b, "dir/é", attrs(), Conditions::default(), &mut body).await.unwrap();
        assert_eq!((done.size, done.etag), (size as u64, ETag { md5: md5(&data), parts: 0 }));
        let e = s.entry(&b, "dir/é").await.unwrap().unwrap();
        assert_eq!((e.size, e.etag, &e.attrs), (size as u64, done.etag, &attrs()));
        assert_eq!(collect(s.read(&e, 0, e.size)).await.unwrap(), data);
        for (at, len) in [(0, 1), (size / 2, 7), (size.saturating_sub(1), 1), (99, 2), (100, 900)] {
            let want = data.get(at..(at + len).min(size)).unwrap_or(&[]);
            assert_eq!(collect(s.read(&e, at as u64, len as u64)).await.unwrap(), want, "{size} {at} {len}");
        }
        audit_data(&r);
    }
    assert!(delete(&s, &b, "dir/é").await.unwrap());
    assert!(!delete(&s, &b, "dir/é").await.unwrap());
    assert!(s.entry(&b, "dir/é").await.unwrap().is_none());
    s.collect_garbage().await.unwrap();
    assert!(objects(&r, 2).is_empty());
}

#[tokio::test]
async fn conditions_are_checked_where_the_row_changes() {
    let s = Storage::new(cluster(), tiny());
    let b = user_and_bucket(&s).await;
    let code = |r: Result<PutDone, S3Error>| r.err().map(|e| e.code());
    let attempt = async |c: Conditions| {
        let mut body = TestBody::new(vec![1; 200], 64);
        code(s.put(&b, "k", ObjectAttrs::default(), c, &mut body).await)
    };
    let any = || Some(Match::Any);
    let tag = |data: &[u8]| Some(Match::Tags(vec![ETag { md5: md5(data), parts: 0 }]));
    let only_if = |m| Conditions { if_match: m, if_none_match: None };
    let unless = |m| Conditions { if_match: None, if_none_match: m };
    assert_eq!(attempt(only_if(any())).await, Some(Code::NoSuchKey));
    assert_eq!(attempt(unless(any())).await, None);
    assert_eq!(attempt(unless(any())).await, Some(Code::PreconditionFailed));
    assert_eq!(attempt(only_if(tag(b"other"))).await, Some(Code::PreconditionFailed));
    assert_eq!(attempt(only_if(tag(&[1; 200]))).await, None);
    assert_eq!(attempt(unless(tag(&[1; 200]))).await, Some(Code::PreconditionFailed));
    let gone = Deletion { key: "k".into(), conditions: only_if(tag(b"other")), ..Deletion::default() };
    let e = s.delete(&b, &gone).await.unwrap_err();
    assert_eq!(e.code(), Code::PreconditionFailed);
    // Refused puts free their data, in the background.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    s.collect_garbage().await.unwrap();
    audit_data(s.rados());
    assert_eq!(objects(s.rados(), 2).len(), 2);
}

#[tokio::test]
async fn a_body_that_proves_wrong_leaves_what_was_there() {
    let s = Storage::new(cluster(), tiny());
    let b = user_and_bucket(&s).await;
    put(&s, &b, "k", b"before").await.unwrap();
    for size in [5, 500] {
        let mut body = TestBody::failing(vec![7; size], 50);
        let e = s.put(&b, "k", attrs(), Conditions::default(), &mut body).await.unwrap_err();
        assert_eq!(e.code(), Code::BadDigest);
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&s, &b, "k").await.unwrap().unwrap(), b"before");
    assert!(objects(s.rados(), 2).is_empty());
}

#[tokio::test]
async fn multipart_from_begin_to_end() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    let up = s.upload_create(&b, "k", attrs(), None).await.unwrap();
    let mut parts = Vec::new();
    for (number, size) in [(1u16, 150usize), (3, 0), (7, 301), (9, 20)] {
        let mut body = TestBody::new(vec![number as u8; size], 40);
        let p = s.part_put(&b, "k", up, number, &mut body).await.unwrap();
        assert_eq!((p.number, p.size), (number, size as u64));
        parts.push(CompletePart { number, etag: Some(p.etag), checksum: None });
    }
    // Part 7 again: the first one becomes garbage.
    let p = s.part_put(&b, "k", up, 7, &mut TestBody::new(vec![70; 120], 40)).await.unwrap();
    let wrong = parts.clone();
    parts[2].etag = Some(p.etag);
    assert!(s.entry(&b, "k").await.unwrap().is_none());
    let listing = s.part_list(&b, "k", up, 1, 2).await.unwrap();
    assert_eq!(listing.parts.iter().map(|p| p.number).collect::<Vec<_>>(), [3, 7]);
    assert!(listing.truncated && listing.upload.attrs == attrs());

    let complete = async |parts: Vec<CompletePart>| {
        s.upload_complete(&b, "k", up, parts, Conditions::default(), |_, _| Ok(None)).await
    };
    let code = |r: Result<PutDone, S3Error>| r.err().map(|e| e.code());
    assert_eq!(code(complete(wrong).await), Some(Code::InvalidPart));
    let swapped = vec![parts[1].clone(), parts[0].clone()];
    assert_eq!(code(complete(swapped).await), Some(Code::InvalidPartOrder));
    let unknown = vec![CompletePart { number: 2, ..parts[0].clone() }];
    assert_eq!(code(complete(unknown).await), Some(Code::InvalidPart));
    assert_eq!(code(complete(parts[..3].to_vec()).await), Some(Code::EntityTooSmall), "part 3 is empty");
    let chosen = vec![parts[0].clone(), parts[2].clone()];
    let done = complete(chosen.clone()).await.unwrap();
    let mut whole = vec![1; 150];
    whole.extend([70; 120]);
    let digests = [md5(&[1; 150]), md5(&[70; 120])].concat();
    assert_eq!((done.size, done.etag), (270, ETag { md5: md5(&digests), parts: 2 }));
    assert_eq!(get(&s, &b, "k").await.unwrap().unwrap(), whole);
    let e = s.entry(&b, "k").await.unwrap().unwrap();
    assert_eq!(e.parts.iter().map(|p| (p.number, p.size)).collect::<Vec<_>>(), [(1, 150), (7, 120)]);
    assert_eq!(complete(chosen).await.unwrap().etag, done.etag, "the same again is the same");
    assert_eq!(code(complete(parts).await), Some(Code::NoSuchUpload));
    audit_data(&r);
    s.collect_garbage().await.unwrap();
    audit_data(&r);
    assert_eq!(objects(&r, 2).len(), 4);

    let up = s.upload_create(&b, "k", attrs(), None).await.unwrap();
    s.part_put(&b, "k", up, 1, &mut TestBody::new(vec![1; 500], 40)).await.unwrap();
    s.upload_abort(&b, "k", up).await.unwrap();
    assert_eq!(s.upload_abort(&b, "k", up).await.unwrap_err().code(), Code::NoSuchUpload);
    let e = s.part_put(&b, "k", up, 1, &mut TestBody::new(vec![1; 500], 40)).await.unwrap_err();
    assert_eq!(e.code(), Code::NoSuchUpload);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    s.collect_garbage().await.unwrap();
    assert_eq!(objects(&r, 2).len(), 4);
    audit_data(&r);
}

#[tokio::test]
async fn users_and_their_keys() {
    let s = Storage::new(cluster(), tiny());
    let chosen = ("AKIDEXAMPLE".to_string(), Secret::new("very-secret-indeed"));
    let c = s.user_create("ann", "Ann", Some(chosen.clone())).await.unwrap();
    assert_eq!((c.user.uid.as_str(), c.access_key.as_str()), ("ann", "AKIDEXAMPLE"));
    assert!(!format!("{c:?}").contains("very-secret"));
    let code = |e: S3Error| e.code();
    let taken = s.user_create("bob", "Bob", Some(chosen)).await.map_err(code);
    assert_eq!(taken.unwrap_err(), Code::KeyExists, "an access key belongs to one user");
    assert_eq!(s.user_create("ann", "A", None).await.map_err(code).unwrap_err(), Code::UserAlreadyExists);
    let second = s.key_create("ann", None).await.unwrap();
    assert_eq!((second.access_key.len(), second.secret.reveal().len()), (20, 40));
    let found = s.lookup_access_key(&second.access_key).await.unwrap().unwrap();
    assert_eq!(*found, second);
    assert_eq!(s.user_get("ann").await.unwrap().unwrap().access_keys.len(), 2);
    s.key_rm("ann", "AKIDEXAMPLE").await.unwrap();
    assert_eq!(s.key_rm("ann", "AKIDEXAMPLE").await.map_err(code).unwrap_err(), Code::InvalidAccessKeyId);
    assert!(s.lookup_access_key("AKIDEXAMPLE").await.unwrap().is_none());
    s.bucket_create("ann", "hers").await.unwrap();
    assert_eq!(s.user_rm("ann").await.map_err(code).unwrap_err(), Code::BucketNotEmpty);
    s.bucket_delete("hers").await.unwrap();
    s.user_rm("ann").await.unwrap();
    assert_eq!(s.user_rm("ann").await.map_err(code).unwrap_err(), Code::NoSuchUser);
    assert!(s.lookup_access_key(&second.access_key).await.unwrap().is_none());
    assert!(s.user_list().await.unwrap().is_empty());
}

#[tokio::test]
async fn buckets_are_made_once_and_deleted_only_when_empty() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    assert!(matches!(s.bucket_create("owner", "bucket").await.unwrap(), BucketCreated::AlreadyYours(_)));
    let code = |e: S3Error| e.code();
    let other = s.bucket_create("other", "bucket").await.map_err(code);
    assert_eq!(other.unwrap_err(), Code::BucketAlreadyExists);
    assert_eq!(s.bucket_delete("nothing").await.map_err(code).unwrap_err(), Code::NoSuchBucket);
    for i in 0..40 {
        put(&s, &b, &format!("k{i}"), b"0123456789012345678901234567890123456789").await.unwrap();
    }
    s.split_waiting().await;
    assert!(chain(&s, &b).await.len() > 2);
    assert_eq!(s.bucket_delete("bucket").await.map_err(code).unwrap_err(), Code::BucketNotEmpty);
    put(&s, &b, "k1", b"still works").await.unwrap();
    for i in 0..40 {
        delete(&s, &b, &format!("k{i}")).await.unwrap();
    }
    let up = s.upload_create(&b, "u", ObjectAttrs::default(), None).await.unwrap();
    s.part_put(&b, "u", up, 1, &mut TestBody::new(vec![1; 500], 40)).await.unwrap();
    s.bucket_delete("bucket").await.unwrap();
    assert!(s.bucket_get("bucket").await.unwrap().is_none());
    let late = put(&s, &b, "late", b"too late").await;
    assert_eq!(late.map_err(code).unwrap_err(), Code::NoSuchBucket);
    let again = bucket(&s, "bucket").await;
    assert!(again.id != b.id && get(&s, &again, "k1").await.unwrap().is_none());
    s.collect_garbage().await.unwrap();
    s.collect_garbage().await.unwrap();
    assert!(objects(&r, 2).is_empty(), "the parts of the upload went with the bucket");
    assert_eq!(objects(&r, 1).len(), 1, "only the new bucket's shard is left");
    let listed = s.bucket_list("owner", None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["bucket"]);
}

#[tokio::test]
async fn small_requests_are_one_operation_and_a_page_is_one_per_shard() {
    let r = cluster();
    let config = StorageConfig { split_keys: 700, cache_ttl: Duration::from_secs(60), ..tiny() };
    let s = Storage::new(r.clone(), config);
    let b = user_and_bucket(&s).await;
    let mut before = r.operations();
    let mut cost = |r: &MemoryRados| r.operations() - std::mem::replace(&mut before, r.operations());
    put(&s, &b, "k", b"small").await.unwrap();
    assert_eq!(cost(&r), 1);
    get(&s, &b, "k").await.unwrap();
    assert_eq!(cost(&r), 1);
    for i in 0..3000 {
        put(&s, &b, &format!("dir{}/{i:04}", i % 3), b"x").await.unwrap();
        s.split_waiting().await;
    }
    let shards = chain(&s, &b).await.len() as u64;
    assert!(shards >= 4, "{shards}");
    cost(&r);
    let q = ListQuery { max: 1000, ..ListQuery::default() };
    let page = s.list(&b, &q).await.unwrap();
    assert!(page.entries.len() == 1000 && page.truncated);
    assert!(cost(&r) <= 4, "a page costs a call per shard that it touches");
    let q = ListQuery { delimiter: Some("/".into()), ..q };
    let page = s.list(&b, &q).await.unwrap();
    assert_eq!((page.common_prefixes.len(), page.entries.len(), page.truncated), (3, 1, false));
    assert!(cost(&r) <= shards, "whole prefixes are leapt over");
    // A fresh gateway finds its way by the hint, not by walking the chain.
    let fresh = Storage::new(r.clone(), s.config().clone());
    cost(&r);
    assert!(fresh.entry(&b, "dir2/2999").await.unwrap().is_some());
    let n = cost(&r);
    assert!(n <= 4, "{n} operations for a first look");
}

#[tokio::test]
async fn a_full_cluster_refuses_writes_and_says_so() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    put(&s, &b, "k", &[1; 300]).await.unwrap();
    r.inject(0, 1, gateway_client::memory::Fault::Refuse(stdx::Errno::ENOSPC));
    let e = put(&s, &b, "k", &[2; 300]).await.unwrap_err();
    assert_eq!(e.code(), Code::InsufficientStorage);
    r.heal();
    assert_eq!(get(&s, &b, "k").await.unwrap().unwrap(), [1; 300]);
    assert!(delete(&s, &b, "k").await.unwrap());
    let _: Model = r.snapshot();
}
