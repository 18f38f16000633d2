//! Every request leaves its line, and no line says what is secret.

use super::*;
use crate::access_log::Destination;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A gateway whose log goes to a file.
async fn logged() -> (World, tempfile::TempDir) {
    let w = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    w.access_log.send_to(Destination::File(dir.path().join("access"))).unwrap();
    (w, dir)
}

/// The lines of a gateway that has stopped.
async fn lines(w: World, dir: &tempfile::TempDir) -> Vec<Value> {
    w.stop().await;
    let text = std::fs::read_to_string(dir.path().join("access")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn line<'a>(lines: &'a [Value], operation: &str, status: &str) -> &'a Value {
    let found: Vec<_> =
        lines.iter().filter(|l| l["operation"] == operation && l["http_status"] == status).collect();
    assert_eq!(found.len(), 1, "{operation} {status}: {lines:#?}");
    found[0]
}

#[tokio::test]
async fn each_request_is_one_line() {
    let (w, dir) = logged().await;
    w.put("/bucket/a%20b", b"hello").await;
    assert_eq!(w.get("/bucket/a%20b").await, b"hello");
    assert_eq!(w.send("HEAD", "/bucket/a%20b").await.status, 200);
    let by = call("GET", "/bucket/none").header("user-agent", "tester/1").header("referer", "http://x/");
    assert_eq!(w.call(by).await.status, 404);
    assert_eq!(w.call(call("GET", "/bucket").anonymous()).await.status, 403);
    assert_eq!(w.call(call("DELETE", "/bucket/a%20b").by("alice-key", "wrong")).await.status, 403);
    assert_eq!(w.call(call("GET", "/-/health").anonymous()).await.status, 200);
    let lines = lines(w, &dir).await;
    assert_eq!(lines.len(), 6, "{lines:#?}");
    let put = line(&lines, "put_obj", "200");
    assert_eq!(
        (&put["user"], &put["access_key_id"], &put["authentication_type"]),
        (&"alice".into(), &"alice-key".into(), &"v4".into())
    );
    assert_eq!(
        (&put["bucket"], &put["object"], &put["bytes_received"]),
        (&"bucket".into(), &"a b".into(), &5.into())
    );
    assert_eq!(
        (&put["remote_addr"], &put["error_code"], &put["bytes_sent"]),
        (&"127.0.0.1".into(), &"".into(), &0.into())
    );
    assert_eq!(put["uri"], "PUT /bucket/a%20b HTTP/1.1");
    assert!(put["total_time"].is_u64() && put["trans_id"].as_str().is_some_and(|id| id.len() == 16));
    let gets: Vec<_> =
        lines.iter().filter(|l| l["operation"] == "get_obj" && l["http_status"] == "200").collect();
    assert_eq!(gets.iter().map(|l| l["bytes_sent"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 0]);
    let missing = line(&lines, "get_obj", "404");
    assert_eq!(
        (&missing["error_code"], &missing["user_agent"], &missing["referrer"]),
        (&"NoSuchKey".into(), &"tester/1".into(), &"http://x/".into())
    );
    assert!(missing["bytes_sent"].as_u64().unwrap() > 100, "the error's document");
    let anonymous = line(&lines, "list_bucket", "403");
    assert_eq!(
        (&anonymous["user"], &anonymous["access_key_id"], &anonymous["error_code"]),
        (&"anonymous".into(), &"".into(), &"AccessDenied".into())
    );
    let forged = line(&lines, "delete_obj", "403");
    assert_eq!(
        (&forged["user"], &forged["access_key_id"], &forged["error_code"]),
        (&"anonymous".into(), &"alice-key".into(), &"SignatureDoesNotMatch".into())
    );
}

#[tokio::test]
async fn what_is_no_request_and_who_does_not_wait_leave_lines_too() {
    let (w, dir) = logged().await;
    for bytes in [&b"NO HTTP\r\n\r\n"[..], b"GET / HTTP/1.1\r\nhost: h\r\nbroken header\r\n\r\n"] {
        let mut stream = TcpStream::connect(w.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"));
    }
    let many = (0..500).map(|i| format!("x-{i}: y\r\n")).collect::<String>();
    let answer = {
        let mut stream = TcpStream::connect(w.address).await.unwrap();
        stream.write_all(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    for target in ["/%zz", "/bucket/%ff", "//x"] {
        assert_eq!(w.call(call("GET", target).anonymous()).await.status, 400, "{target}");
    }
    // Half an upload, and nobody there any more.
    let mut stream = TcpStream::connect(w.address).await.unwrap();
    let bytes = call("PUT", "/bucket/half").body("hello").bytes();
    stream.write_all(&bytes[..bytes.len() - 3]).await.unwrap();
    // The gateway has it once it answers another request that came later, and knows of its end after one more.
    for _ in 0..2 {
        assert_eq!(w.send("GET", "/bucket").await.status, 200);
    }
    drop(stream);
    for _ in 0..2 {
        assert_eq!(w.send("GET", "/bucket").await.status, 200);
    }
    let lines = lines(w, &dir).await;
    let of = |status: &str| lines.iter().filter(|l| l["http_status"] == status).collect::<Vec<_>>();
    let unreadable: Vec<_> = of("400").into_iter().filter(|l| l["error_code"] == "BadRequest").collect();
    assert_eq!((unreadable.len(), of("431").len()), (2, 1), "{lines:#?}");
    assert_eq!(of("400").iter().filter(|l| l["error_code"] == "InvalidURI").count(), 2, "{lines:#?}");
    let half: Vec<_> = lines.iter().filter(|l| l["object"] == "half").collect();
    assert_eq!(half.len(), 1, "{lines:#?}");
    assert!(half[0]["http_status"] == "499" || half[0]["error_code"] == "IncompleteBody", "{half:?}");
    assert_eq!(half[0]["bytes_received"], 2);
}

#[tokio::test]
async fn secrets_are_not_written_down() {
    let (w, dir) = logged().await;
    w.put("/bucket/k", b"x").await;
    assert_eq!(w.call(Call { presign: Some(60), ..call("GET", "/bucket/k") }).await.status, 200);
    let customer = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";
    let sse = call("GET", "/bucket/k")
        .header("x-amz-server-side-encryption-customer-algorithm", "AES256")
        .header("x-amz-server-side-encryption-customer-key", customer);
    assert_eq!(w.call(sse).await.status, 400);
    let admin = call("PUT", "/admin/user?uid=x&display-name=x&access-key=AAAA&secret-key=the-new-secret");
    assert_eq!(w.call(admin).await.status, 403);
    w.stop().await;
    let text = std::fs::read_to_string(dir.path().join("access")).unwrap();
    assert!(text.contains("X-Amz-Signature=-") && text.contains("secret-key=-"), "{text}");
    for secret in [customer, "the-new-secret", "alice-secret"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(text.lines().count(), 4);
}
