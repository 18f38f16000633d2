//! `bucket_check` and `leaked_data` tell what is wrong, and only that.

use super::*;
use osd_object::{ObjectName, Op};

#[tokio::test]
async fn missing_short_and_leaked_data_is_told() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    put(&s, &b, "small", b"x").await.unwrap();
    put(&s, &b, "big", &[1; 250]).await.unwrap();
    put(&s, &b, "gone", &[2; 250]).await.unwrap();
    let report = s.bucket_check(&b).await.unwrap();
    assert!(report.is_clean());
    assert_eq!((report.objects, report.data_objects), (3, 6));
    assert!(s.leaked_data().await.unwrap().is_empty(), "data of objects is no leak");
    // Garbage is not missed, and no leak.
    s.delete(&b, &Deletion { key: "gone".into(), ..Deletion::default() }).await.unwrap();
    assert!(s.leaked_data().await.unwrap().is_empty());
    let report = s.bucket_check(&b).await.unwrap();
    assert_eq!((report.is_clean(), report.data_objects), (true, 3));

    let pool = s.config().data_pool.clone();
    let runs: Vec<String> = objects(&r, 2).into_keys().collect();
    let of_big: Vec<&String> = {
        let live = audit(&r).live;
        runs.iter().filter(|name| live.contains(*name)).collect()
    };
    let operate = |name: &str, op: Op| s.rados().operate(&pool, ObjectName::new(name.to_string()), vec![op]);
    operate(of_big[0], Op::Delete).await.unwrap();
    operate(of_big[1], Op::WriteFull { data: Bytes::from_static(b"short") }).await.unwrap();
    operate("00000000000000aa.7.0", Op::WriteFull { data: Bytes::from_static(b"leak") }).await.unwrap();
    let report = s.bucket_check(&b).await.unwrap();
    assert_eq!((report.missing.len(), report.wrong_size.len()), (1, 1));
    assert!(report.missing[0].starts_with(of_big[0].as_str()) && report.missing[0].contains("big"));
    assert!(report.wrong_size[0].contains("5 bytes"), "{report:?}");
    assert_eq!(s.leaked_data().await.unwrap(), ["00000000000000aa.7.0"]);
}

#[tokio::test]
async fn purging_and_giving_away() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    s.user_create("other", "Other", None).await.unwrap();
    for key in ["a", "b"] {
        put(&s, &b, key, &[1; 250]).await.unwrap();
    }
    s.bucket_chown(&b, "other").await.unwrap();
    assert!(s.bucket_list("owner", None, 10).await.unwrap().is_empty());
    assert_eq!(s.bucket_list("other", None, 10).await.unwrap().len(), 1);
    let b = (*s.bucket_get("bucket").await.unwrap().unwrap()).clone();
    assert_eq!(b.owner, "other");
    assert_eq!(s.bucket_chown(&b, "nobody").await.unwrap_err().code(), Code::NoSuchUser);
    assert_eq!(s.user_usage("other").await.unwrap().objects, 2);
    assert_eq!(s.user_rm("other").await.unwrap_err().code(), Code::BucketNotEmpty);
    s.user_purge("other").await.unwrap();
    assert!(s.bucket_get("bucket").await.unwrap().is_none());
    assert!(s.user_get("other").await.unwrap().is_none());
}
