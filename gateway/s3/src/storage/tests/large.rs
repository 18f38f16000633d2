//! Buckets of many keys: loaded in bulk, split while that goes on, listed at any place alike, given other limits.

use super::*;

const KEYS: usize = 30_000;

fn key(n: usize) -> String {
    format!("d{:03}/k{n:06}", n / 100)
}

#[tokio::test]
async fn a_page_costs_the_same_at_the_start_in_the_middle_and_at_the_end() {
    let r = cluster();
    let config = StorageConfig { split_keys: 1000, ..tiny() };
    let s = Storage::new(r.clone(), config);
    let b = user_and_bucket(&s).await;
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    for page in keys.chunks(700) {
        s.load_objects(&b, page, &Bytes::from_static(b"x")).await.unwrap();
        s.split_waiting().await;
    }
    let shards = chain(&s, &b).await;
    assert!(shards.len() > KEYS / 1000, "{} shards", shards.len());
    assert!(shards.iter().all(|s| s.counters.keys <= 2000), "{:?}", shards.iter().map(|s| s.counters.keys));
    assert_eq!(shards.iter().map(|s| s.counters.keys).sum::<u64>(), KEYS as u64);

    let page = async |after: Option<String>, delimiter: Option<&str>| {
        let delimiter = delimiter.map(String::from);
        let query = ListQuery { after, delimiter, max: 100, ..ListQuery::default() };
        let before = r.operations();
        (s.list(&b, &query).await.unwrap(), r.operations() - before)
    };
    for at in [0, KEYS / 3, KEYS / 2, KEYS - 101] {
        let (listing, operations) = page(Some(key(at)), None).await;
        let got: Vec<&str> = listing.entries.iter().map(|e| e.key.as_str()).collect();
        assert_eq!(got, keys[at + 1..at + 101].iter().map(String::as_str).collect::<Vec<_>>());
        assert!(operations <= 3, "{operations} operations behind key {at}");
    }
    // A hundred common prefixes stand for ten thousand keys, which are passed over: a read for each of the shards that
    // they lie in, not for each page of keys.
    for at in [0, KEYS / 200, KEYS / 100 - 101] {
        let (listing, operations) = page(Some(format!("d{at:03}/")), Some("/")).await;
        let wanted: Vec<String> = (at + 1..at + 101).map(|n| format!("d{n:03}/")).collect();
        assert_eq!(listing.common_prefixes, wanted);
        assert!(operations <= 30, "{operations} operations behind prefix {at}");
    }
    assert_eq!(get(&s, &b, &key(777)).await.unwrap().as_deref(), Some(&b"x"[..]));
}

#[tokio::test]
async fn a_bucket_is_given_other_limits_while_it_serves() {
    let r = cluster();
    let s = Storage::new(r.clone(), StorageConfig { split_keys: 100_000, ..tiny() });
    let b = user_and_bucket(&s).await;
    let keys: Vec<String> = (0..3000).map(key).collect();
    s.load_objects(&b, &keys, &Bytes::new()).await.unwrap();
    assert_eq!(chain(&s, &b).await.len(), 1);
    for bad in [(1, 1 << 20), (100, 10)] {
        let refused = s.bucket_reshard(&b, bad.0, bad.1).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let writer = async {
        for n in 0..200 {
            put(&s, &b, &format!("d{n:03}/new"), &[1]).await.unwrap();
        }
    };
    let (shards, ()) = tokio::join!(s.bucket_reshard(&b, 300, 1 << 20), writer);
    let found = chain(&s, &b).await;
    assert!(shards.unwrap() >= 10 && found.len() >= 10, "{} shards", found.len());
    let again = s.bucket_reshard(&b, 300, 1 << 20).await.unwrap();
    let found = chain(&s, &b).await;
    assert_eq!(again, found.len() as u64);
    assert!(found.iter().all(|shard| shard.counters.keys <= 300));
    assert_eq!(found.iter().map(|shard| shard.counters.keys).sum::<u64>(), 3200);
    assert_eq!(s.bucket_get("bucket").await.unwrap().unwrap().split_keys, 300);
    audit_data(&r);
}
