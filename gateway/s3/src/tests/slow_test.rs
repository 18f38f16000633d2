//! Clients that stop reading, or stop sending, hold back only themselves.

use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn stalled_transfers_leave_room_for_others() {
    // A budget that a few transfers would fill if each took what it could use.
    let w = World::start_with(|c| c.buffer_bytes = 4 << 20).await;
    let data = vec![5; 20 << 20];
    w.put("/bucket/large", &data).await;
    let mut stalled = Vec::new();
    for i in 0..8 {
        let mut reader = TcpStream::connect(w.address).await.unwrap();
        reader.write_all(&call("GET", "/bucket/large").bytes()).await.unwrap();
        let mut start = [0; 15];
        reader.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
        let mut writer = TcpStream::connect(w.address).await.unwrap();
        let bytes = call("PUT", &format!("/bucket/never-{i}")).body(vec![1; 3 << 20]).bytes();
        writer.write_all(&bytes[..2 << 20]).await.unwrap();
        stalled.push((reader, writer));
    }
    let others = async {
        w.put("/bucket/other", &data).await;
        assert!(w.get("/bucket/other").await == data);
    };
    tokio::time::timeout(Duration::from_secs(20), others).await.expect("nobody waits for the stalled");
    // Who goes on reading gets everything.
    let (mut reader, writer) = stalled.remove(0);
    drop((stalled, writer));
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(&data));
    w.stop().await;
}

#[tokio::test]
async fn a_shutdown_lets_the_request_under_way_end() {
    let w = World::start().await;
    let bytes = call("PUT", "/bucket/k").body("hello").bytes();
    let mut stream = TcpStream::connect(w.address).await.unwrap();
    stream.write_all(&bytes[..bytes.len() - 3]).await.unwrap();
    // The gateway has it once it answers another request that came later.
    assert_eq!(w.send("GET", "/bucket").await.status, 200);
    let stopped = tokio::spawn(w.stop());
    tokio::task::yield_now().await;
    stream.write_all(&bytes[bytes.len() - 3..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stopped.await.unwrap();
}
