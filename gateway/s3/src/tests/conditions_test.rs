//! Conditional reads and conditional writes.

use super::*;

const OTHER: &str = "\"00000000000000000000000000000000\"";

#[tokio::test]
async fn reads() {
    let w = World::start().await;
    let etag = format!("\"{}\"", w.put("/bucket/k", b"hello").await);
    let past = "Thu, 01 Jan 1998 00:00:00 GMT";
    let future = "Thu, 01 Jan 2099 00:00:00 GMT";
    for (pairs, status) in [
        (vec![("if-match", etag.as_str())], 200),
        (vec![("if-match", OTHER)], 412),
        (vec![("if-none-match", &etag)], 304),
        (vec![("if-none-match", OTHER)], 200),
        (vec![("if-modified-since", past)], 200),
        (vec![("if-modified-since", future)], 304),
        (vec![("if-unmodified-since", past)], 412),
        (vec![("if-unmodified-since", future)], 200),
        (vec![("if-match", &etag), ("if-unmodified-since", past)], 200),
        (vec![("if-none-match", OTHER), ("if-modified-since", future)], 200),
    ] {
        for method in ["GET", "HEAD"] {
            let c = pairs.iter().fold(call(method, "/bucket/k"), |c, (n, v)| c.header(n, v));
            let answer = w.call(c).await;
            assert_eq!(answer.status, status, "{method} {pairs:?}");
            if status == 304 {
                assert_eq!((answer.header("etag"), answer.body.len()), (etag.as_str(), 0));
            }
            if status == 412 && method == "GET" {
                assert_eq!(answer.one("Code"), "PreconditionFailed");
            }
        }
    }
    w.stop().await;
}

#[tokio::test]
async fn writes() {
    let w = World::start().await;
    let put = |body: &str, name: &str, value: &str| call("PUT", "/bucket/k").body(body).header(name, value);
    assert_eq!(w.call(put("0", "if-match", OTHER)).await.refusal(), (404, "NoSuchKey".into()));
    assert_eq!(w.call(put("1", "if-none-match", "*")).await.status, 200);
    assert_eq!(w.call(put("2", "if-none-match", "*")).await.refusal(), (412, "PreconditionFailed".into()));
    assert_eq!(w.get("/bucket/k").await, b"1");
    let etag = w.send("HEAD", "/bucket/k").await.header("etag").to_string();
    assert_eq!(w.call(put("3", "if-match", OTHER)).await.refusal(), (412, "PreconditionFailed".into()));
    assert_eq!(w.call(put("4", "if-match", &etag)).await.status, 200);
    assert_eq!(w.get("/bucket/k").await, b"4");
    let delete = |value: &str| call("DELETE", "/bucket/k").header("if-match", value);
    assert_eq!(w.call(delete(&etag)).await.refusal(), (412, "PreconditionFailed".into()));
    let etag = w.send("HEAD", "/bucket/k").await.header("etag").to_string();
    assert_eq!(w.call(delete(&etag)).await.status, 204);
    assert_eq!(w.send("GET", "/bucket/k").await.status, 404);
    w.stop().await;
}

#[tokio::test]
async fn of_many_that_create_the_same_key_one_wins() {
    let w = World::start().await;
    let puts = (0..16).map(|i| {
        let c = call("PUT", "/bucket/lock").body(format!("{i}")).header("if-none-match", "*");
        tokio::spawn(c.send_owned(w.address))
    });
    let mut won = 0;
    for put in puts.collect::<Vec<_>>() {
        let status = put.await.unwrap().status;
        assert!(matches!(status, 200 | 409 | 412), "{status}");
        won += u32::from(status == 200);
    }
    assert_eq!(won, 1);
    w.stop().await;
}
