//! Storage classes: data goes to the pool of its class, is found, freed and checked there, and moves between pools
//! without becoming another object; whatever crashes.

use super::*;
use crate::storage::encryption::SecretKey;
use gateway_client::memory::Fault;
use stdx::Errno;

const ALL: [&str; 5] = ["s3.meta", "s3.index", "s3.data", "cold", "other"];

async fn with_classes(r: &MemoryRados) -> (Store, Bucket) {
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    s.storage_class_set("COLD", "cold").await.unwrap();
    s.storage_class_set("OTHER", "other").await.unwrap();
    (s, b)
}

async fn put_in(s: &Store, b: &Bucket, key: &str, class: &str, data: &[u8]) -> PutDone {
    let attrs = ObjectAttrs { storage_class: class.into(), ..ObjectAttrs::default() };
    let mut body = TestBody::new(data.to_vec(), 37);
    s.put(b, key, attrs, Conditions::default(), &mut body).await.unwrap()
}

async fn seen(s: &Store, b: &Bucket, key: &str) -> Seen {
    let entry = s.head(b, key).await.unwrap().unwrap();
    Seen { version: entry.version, mtime: entry.mtime }
}

/// Numbers of data objects in the pools of STANDARD, COLD and OTHER.
fn counts(r: &MemoryRados) -> [usize; 3] {
    [2, 3, 4].map(|pool| objects(r, pool).len())
}

/// Every data object is named by a row or is garbage, in whatever pool; every one that is named is there.
fn audit_pools(r: &MemoryRados) {
    let refs = audit(r);
    let data: BTreeSet<String> =
        [2, 3, 4].into_iter().flat_map(|pool| objects(r, pool).into_keys()).collect();
    assert_eq!(refs.live.difference(&data).next(), None, "lost");
    for name in data.difference(&refs.live) {
        let mut fields = name.split('.').map(|f| u64::from_str_radix(f, 16).unwrap());
        let run = (fields.next().unwrap(), fields.next().unwrap());
        assert!(refs.garbage.contains(&run), "leaked {name}");
    }
}

#[tokio::test]
async fn data_goes_to_the_pool_of_its_class_and_is_freed_there() {
    let r = MemoryRados::new(&ALL);
    let (s, b) = with_classes(&r).await;
    let long: Vec<u8> = (0..250u8).collect();
    put_in(&s, &b, "a", "", &long).await;
    put_in(&s, &b, "b", "COLD", &long).await;
    put_in(&s, &b, "c", "COLD", b"tiny").await;
    put_in(&s, &b, "empty", "COLD", b"").await;
    assert_eq!(counts(&r), [3, 4, 0], "small objects of another class lie in its pool, too");
    assert_eq!(get(&s, &b, "b").await.unwrap().unwrap(), long);
    assert_eq!(get(&s, &b, "c").await.unwrap().unwrap(), b"tiny");
    assert_eq!(get(&s, &b, "empty").await.unwrap().unwrap(), b"");
    let listed = s.list(&b, &ListQuery { max: 10, ..ListQuery::default() }).await.unwrap();
    let classes: Vec<_> = listed.entries.iter().map(|e| e.storage_class.as_str()).collect();
    assert_eq!(classes, ["", "COLD", "COLD", "COLD"]);
    // Another gateway, which has read nothing yet.
    let cold = Storage::new(r.clone(), tiny());
    assert_eq!(get(&cold, &b, "b").await.unwrap().unwrap(), long);
    let report = cold.bucket_check(&b).await.unwrap();
    assert!(report.is_clean() && report.data_objects == 7, "{report:?}");
    assert_eq!(cold.leaked_data().await.unwrap(), [""; 0]);
    audit_pools(&r);
    for key in ["b", "c"] {
        delete(&cold, &b, key).await.unwrap();
    }
    settle(&cold, std::slice::from_ref(&b)).await;
    assert_eq!(counts(&r), [3, 0, 0]);
}

#[tokio::test]
async fn classes_come_go_and_change_their_pool() {
    let r = MemoryRados::new(&ALL);
    let (s, b) = with_classes(&r).await;
    let names = |all: Vec<StorageClass>| all.into_iter().map(|c| (c.name, c.pool)).collect::<Vec<_>>();
    let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
    assert_eq!(
        names(s.storage_classes().await.unwrap()),
        [pair("COLD", "cold"), pair("OTHER", "other"), pair("STANDARD", "s3.data")]
    );
    let refused = |e: Result<(), S3Error>| e.unwrap_err().code();
    assert_eq!(refused(s.storage_class_set("X", "nowhere").await), Code::InvalidArgument);
    assert_eq!(refused(s.storage_class_set("X", "s3.index").await), Code::InvalidArgument);
    assert_eq!(refused(s.storage_class_set("lower", "cold").await), Code::InvalidStorageClass);
    assert_eq!(refused(s.storage_class_rm("X").await), Code::InvalidStorageClass);
    put_in(&s, &b, "k", "COLD", &[1; 50]).await;
    s.storage_class_set("COLD", "other").await.unwrap();
    put_in(&s, &b, "l", "COLD", &[2; 50]).await;
    assert_eq!(counts(&r), [0, 1, 1]);
    s.storage_class_rm("COLD").await.unwrap();
    assert_eq!(refused(s.check_storage_class("COLD").await), Code::InvalidStorageClass);
    assert_eq!(get(&s, &b, "k").await.unwrap().unwrap(), [1; 50], "what is in it stays");
    assert_eq!(get(&s, &b, "l").await.unwrap().unwrap(), [2; 50]);
    s.storage_class_set(STANDARD, "cold").await.unwrap();
    put_in(&s, &b, "m", "", &[3; 50]).await;
    assert_eq!(counts(&r), [0, 2, 1]);
    s.storage_class_rm(STANDARD).await.unwrap();
    put_in(&s, &b, "n", "", &[4; 50]).await;
    assert_eq!(counts(&r), [1, 2, 1]);
}

#[tokio::test]
async fn objects_change_their_class_and_stay_the_same() {
    let r = MemoryRados::new(&ALL);
    let (s, b) = with_classes(&r).await;
    let long: Vec<u8> = (0..250u8).collect();
    let put = put_in(&s, &b, "k", "", &long).await;
    put_in(&s, &b, "small", "", b"tiny").await;
    for (class, pools) in [("COLD", [0, 4, 0]), ("OTHER", [0, 0, 4]), ("", [4, 0, 0]), ("", [4, 0, 0])] {
        for key in ["k", "small"] {
            let was = seen(&s, &b, key).await;
            assert!(s.change_class(&b, key, &was, class).await.unwrap());
        }
        settle(&s, std::slice::from_ref(&b)).await;
        assert_eq!(counts(&r), pools, "{class}");
        let entry = s.entry(&b, "k").await.unwrap().unwrap();
        assert_eq!((entry.mtime, entry.etag, entry.version), (put.mtime, put.etag, put.version));
        assert_eq!(entry.attrs.storage_class, class);
        assert_eq!(get(&s, &b, "k").await.unwrap().unwrap(), long);
        assert_eq!(get(&s, &b, "small").await.unwrap().unwrap(), b"tiny");
        audit_pools(&r);
    }
    // One who has seen another object moves nothing, and leaves nothing.
    let old = seen(&s, &b, "k").await;
    r.set_now(stdx::time::WallTime(r.now().0 + 5_000_000));
    put_in(&s, &b, "k", "", &[9; 30]).await;
    assert!(!s.change_class(&b, "k", &old, "COLD").await.unwrap());
    assert!(!s.change_class(&b, "gone", &old, "COLD").await.unwrap());
    assert_eq!(s.change_class(&b, "k", &old, "NONE").await.unwrap_err().code(), Code::InvalidStorageClass);
    settle(&s, std::slice::from_ref(&b)).await;
    assert_eq!(counts(&r), [2, 0, 0]);
}

#[tokio::test]
async fn encrypted_bytes_are_moved_without_their_key() {
    let r = MemoryRados::new(&ALL);
    let (s, b) = with_classes(&r).await;
    let long: Vec<u8> = (0..250u8).collect();
    let key = || SecretKey::new([7; 32]);
    for (name, data) in [("long", &long[..]), ("small", b"tiny")] {
        let attrs = ObjectAttrs { seal: Some(Seal::of_customer(key()).unwrap()), ..ObjectAttrs::default() };
        let mut body = TestBody::new(data.to_vec(), 37);
        s.put(&b, name, attrs, Conditions::default(), &mut body).await.unwrap();
    }
    for class in ["COLD", "OTHER", ""] {
        for (name, data) in [("long", &long[..]), ("small", b"tiny")] {
            let was = seen(&s, &b, name).await;
            assert!(s.change_class(&b, name, &was, class).await.unwrap());
            let mut entry = s.entry(&b, name).await.unwrap().unwrap();
            assert_eq!(entry.attrs.storage_class, class);
            entry.seal = Seal::open_customer(entry.sealing().unwrap().unwrap(), key());
            assert!(entry.seal.is_some());
            assert_eq!(collect(s.read(&entry, 0, entry.size)).await.unwrap(), data, "{name} in {class}");
            let few = data.len() as u64 / 2;
            assert_eq!(collect(s.read(&entry, few, 2)).await.unwrap(), data[few as usize..][..2]);
        }
        assert!(s.bucket_check(&b).await.unwrap().is_clean());
    }
    settle(&s, std::slice::from_ref(&b)).await;
    assert_eq!(counts(&r), [3, 0, 0]);
}

#[tokio::test]
async fn uploads_keep_their_class() {
    let r = MemoryRados::new(&ALL);
    let (s, b) = with_classes(&r).await;
    let attrs = ObjectAttrs { storage_class: "COLD".into(), ..ObjectAttrs::default() };
    let id = s.upload_create(&b, "k", attrs, None).await.unwrap();
    let mut parts = Vec::new();
    for number in [1, 2] {
        let mut body = TestBody::new(vec![number as u8; 130], 37);
        let part = s.part_put_in(&b, "k", (id, number), &mut body, ("COLD", None)).await.unwrap();
        parts.push(CompletePart { number, etag: Some(part.etag), checksum: None });
    }
    let done = s.upload_complete(&b, "k", id, parts, Conditions::default(), |_, _| Ok(None)).await.unwrap();
    assert_eq!(counts(&r), [0, 4, 0]);
    let was = seen(&s, &b, "k").await;
    assert!(s.change_class(&b, "k", &was, "").await.unwrap());
    settle(&s, std::slice::from_ref(&b)).await;
    assert_eq!(counts(&r), [4, 0, 0]);
    let entry = s.entry(&b, "k").await.unwrap().unwrap();
    assert_eq!((entry.etag, entry.parts.len()), (done.etag, 2));
    assert_eq!(get(&s, &b, "k").await.unwrap().unwrap(), [vec![1; 130], vec![2; 130]].concat());
}

/// Killed after any number of operations of a move, and swept: the object is whole in one class or the other, and
/// nothing is left over in any pool.
#[test]
fn a_move_cut_off_anywhere_loses_and_leaks_nothing() {
    let long: Vec<u8> = (0..250u8).collect();
    for cut in 0..40 {
        let r = MemoryRados::new(&ALL);
        let (bucket, moved) = gateway(async {
            let (s, b) = with_classes(&r).await;
            put_in(&s, &b, "k", "COLD", &long).await;
            let was = seen(&s, &b, "k").await;
            let fault =
                if cut % 2 == 0 { Fault::Refuse(Errno::EIO) } else { Fault::LoseReply(Errno::ETIMEDOUT) };
            r.inject(cut / 2, u64::MAX, fault);
            let moved = s.change_class(&b, "k", &was, "OTHER").await;
            (b, moved)
        });
        r.heal();
        gateway(async {
            let s = Storage::new(r.clone(), tiny());
            settle(&s, std::slice::from_ref(&bucket)).await;
            assert_eq!(get(&s, &bucket, "k").await.unwrap().unwrap(), long, "cut {cut}");
            let class = s.head(&bucket, "k").await.unwrap().unwrap().attrs.storage_class;
            assert!(class == "OTHER" || (class == "COLD" && moved.is_err()), "cut {cut}: {class} {moved:?}");
            audit_pools(&r);
            let wanted = if class == "COLD" { [0, 3, 0] } else { [0, 0, 3] };
            assert_eq!(counts(&r), wanted, "cut {cut}");
            assert_eq!(s.leaked_data().await.unwrap(), [""; 0]);
        });
    }
}
