//! Clients that go away at any point of a request.

use super::*;
use futures_util::FutureExt;
use futures_util::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls a request so many times and drops it; what it gave if it was done by then.
async fn polled<T>(request: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut request = pin!(request);
    for _ in 0..times {
        let done = poll_fn(|cx| match request.poll_unpin(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(done) = done.await {
            return Some(done);
        }
        tokio::task::yield_now().await;
    }
    None
}

async fn quiet() {
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_put_given_up_at_any_point_is_whole_or_nothing() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    for size in [10usize, 450] {
        let mut points = 0;
        for times in 0..1000 {
            put(&s, &b, "k", &[1; 200]).await.unwrap();
            let done = polled(put(&s, &b, "k", &vec![2; size]), times).await;
            quiet().await;
            let now = get(&s, &b, "k").await.unwrap().unwrap();
            let (old, new) = (now == [1; 200], now == vec![2; size]);
            assert!(old || new, "after {times} polls: {} bytes", now.len());
            s.collect_garbage().await.unwrap();
            audit_data(&r);
            assert_eq!(
                objects(&r, 2).len(),
                if old { 2 } else { size / 100 + usize::from(size > 16 && size % 100 > 0) }
            );
            if let Some(done) = done {
                done.unwrap();
                points = times;
                break;
            }
        }
        assert!(points > 3, "the put was never given up");
    }
}

#[tokio::test]
async fn a_part_given_up_at_any_point_leaks_nothing() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    let up = s.upload_create(&b, "k", ObjectAttrs::default(), None).await.unwrap();
    for times in 0..1000 {
        let part = async {
            let mut body = TestBody::new(vec![times as u8; 320], 50);
            s.part_put(&b, "k", up, 1, &mut body).await
        };
        let done = polled(part, times).await;
        quiet().await;
        s.collect_garbage().await.unwrap();
        audit_data(&r);
        assert!([0, 4].contains(&objects(&r, 2).len()));
        if let Some(done) = done {
            done.unwrap();
            assert!(times > 3);
            return;
        }
    }
    panic!("the part was never done");
}

#[tokio::test]
async fn a_reader_that_goes_away_gives_its_memory_back() {
    let r = cluster();
    let s = Storage::new(r, tiny());
    let b = user_and_bucket(&s).await;
    put(&s, &b, "k", &vec![3; 3000]).await.unwrap();
    let free = s.inner.budget.available();
    let e = s.entry(&b, "k").await.unwrap().unwrap();
    let mut stream = s.read(&e, 0, e.size);
    for pieces in 0..5 {
        for _ in 0..pieces {
            stream.next().await.unwrap().unwrap();
        }
        assert!(pieces == 0 || s.inner.budget.available() < free);
        stream = s.read(&e, 0, e.size);
        quiet().await;
        assert_eq!(s.inner.budget.available(), free);
    }
}
