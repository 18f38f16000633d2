//! Objects: their bytes, ranges, headers and names.

use super::*;

fn bytes(n: usize) -> Vec<u8> {
    let mut data = vec![0; n];
    stdx::Rng::new(n as u64).fill(&mut data);
    data
}

#[tokio::test]
async fn objects_of_all_sizes_come_back() {
    let w = World::start().await;
    for n in [0, 1, 32 << 10, (32 << 10) + 1, 1 << 20, (4 << 20) + 5, 9 << 20] {
        let data = bytes(n);
        let target = format!("/bucket/size/{n}");
        w.put(&target, &data).await;
        let got = w.send("GET", &target).await;
        assert_eq!(got.status, 200);
        assert!(got.body == data, "{n} bytes");
        assert_eq!(got.header("content-length"), n.to_string());
        assert_eq!(got.header("accept-ranges"), "bytes");
        let head = w.send("HEAD", &target).await;
        assert_eq!((head.status, head.header("content-length")), (200, n.to_string().as_str()));
        assert_eq!(head.header("etag"), got.header("etag"));
        assert!(head.body.is_empty());
    }
    let answer = w.call(call("PUT", "/bucket/e").body("hello")).await;
    assert_eq!(answer.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    w.stop().await;
}

#[tokio::test]
async fn ranges() {
    let w = World::start().await;
    let data = bytes(5 << 20);
    w.put("/bucket/k", &data).await;
    let n = data.len();
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=4194300-4194310", 4_194_300, 4_194_311),
        ("bytes=-7", n - 7, n),
        ("bytes=1048576-", 1 << 20, n),
        ("bytes=10-999999999", 10, n),
    ] {
        let got = w.call(call("GET", "/bucket/k").header("range", range)).await;
        assert_eq!(got.status, 206, "{range}");
        assert!(got.body == data[from..to], "{range}");
        assert_eq!(got.header("content-range"), format!("bytes {from}-{}/{n}", to - 1));
    }
    let beyond = w.call(call("GET", "/bucket/k").header("range", "bytes=5242880-")).await;
    assert_eq!(beyond.refusal(), (416, "InvalidRange".into()));
    assert_eq!(beyond.one("ActualObjectSize"), n.to_string());
    assert_eq!(w.call(call("GET", "/bucket/k").header("range", "lines=1-2")).await.status, 200);
    w.stop().await;
}

#[tokio::test]
async fn headers_and_metadata_come_back() {
    let w = World::start().await;
    let put = call("PUT", "/bucket/k")
        .body("x")
        .header("content-type", "text/plain; charset=utf-8")
        .header("cache-control", "no-cache")
        .header("content-disposition", "attachment; filename=\"x\"")
        .header("content-encoding", "gzip")
        .header("content-language", "de")
        .header("expires", "Thu, 01 Dec 2044 16:00:00 GMT")
        .header("x-amz-meta-Plain", "  a  value ")
        .header("x-amz-meta-bytes", "caf\u{e9}")
        .header("x-amz-storage-class", "STANDARD");
    assert_eq!(w.call(put).await.status, 200);
    for method in ["GET", "HEAD"] {
        let got = w.send(method, "/bucket/k").await;
        for (name, value) in [
            ("content-type", "text/plain; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("content-disposition", "attachment; filename=\"x\""),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("expires", "Thu, 01 Dec 2044 16:00:00 GMT"),
            ("x-amz-meta-plain", "a  value"),
            ("x-amz-meta-bytes", "caf\u{e9}"),
        ] {
            assert_eq!(got.header(name), value, "{method} {name}");
        }
        assert_eq!(got.find("x-amz-storage-class"), None);
    }
    let other =
        w.send("GET", "/bucket/k?response-content-type=a%2Fb&response-cache-control=max-age%3D1").await;
    assert_eq!((other.header("content-type"), other.header("cache-control")), ("a/b", "max-age=1"));
    w.put("/bucket/plain", b"x").await;
    assert_eq!(w.send("HEAD", "/bucket/plain").await.header("content-type"), "binary/octet-stream");
    let large = call("PUT", "/bucket/large").header("x-amz-meta-x", &"y".repeat(2048));
    assert_eq!(w.call(large).await.refusal(), (400, "MetadataTooLarge".into()));
    w.stop().await;
}

#[tokio::test]
async fn keys_are_what_they_are() {
    let w = World::start().await;
    let long = "k".repeat(1024);
    let wide = "%E2%82%AC".repeat(341);
    for key in [
        "..",
        "../x",
        "a/../b",
        "a//b",
        "/",
        "//",
        ".",
        "a%2Fb%00c",
        "%01%0A%0D%09",
        "a+b%20c%25",
        "%F0%9F%98%80",
        "?x",
        long.as_str(),
        wide.as_str(),
    ] {
        let target = format!("/bucket/{}", key.replace('?', "%3F"));
        w.put(&target, key.as_bytes()).await;
    }
    // Each is its own object: none was folded into another.
    assert_eq!(w.get("/bucket/..").await, b"..");
    assert_eq!(w.get("/bucket/a/../b").await, b"a/../b");
    assert_eq!(w.get("/bucket///").await, b"//");
    let list = w.send("GET", "/bucket?encoding-type=url").await;
    assert_eq!(list.all("Key").len(), 14);
    assert!(list.all("Key").contains(&"%01%0A%0D%09".to_string()));
    let too_long = format!("/bucket/{}", "k".repeat(1025));
    assert_eq!(w.send("PUT", &too_long).await.refusal(), (400, "KeyTooLongError".into()));
    let too_wide = format!("/bucket/{}", "%E2%82%AC".repeat(342));
    assert_eq!(w.send("PUT", &too_wide).await.refusal(), (400, "KeyTooLongError".into()));
    assert_eq!(w.send("GET", "/bucket/%FF").await.refusal(), (400, "InvalidURI".into()));
    w.stop().await;
}

#[tokio::test]
async fn virtual_hosts() {
    let w = World::start().await;
    let host = |method, target| Call { host: "bucket.s3.test:9000".into(), ..call(method, target) };
    assert_eq!(w.call(host("PUT", "/a/b").body("x")).await.status, 200);
    assert_eq!(w.get("/bucket/a/b").await, b"x");
    assert_eq!(w.call(host("GET", "/?list-type=2")).await.all("Key"), ["a/b"]);
    assert_eq!(w.call(Call { host: "s3.test".into(), ..call("GET", "/") }).await.all("Name"), ["bucket"]);
    w.stop().await;
}

#[tokio::test]
async fn deletes() {
    let w = World::start().await;
    for key in ["a", "b", "c"] {
        w.put(&format!("/bucket/{key}"), b"x").await;
    }
    assert_eq!(w.send("DELETE", "/bucket/a").await.status, 204);
    assert_eq!(w.send("DELETE", "/bucket/a").await.status, 204, "gone already");
    assert_eq!(w.send("GET", "/bucket/a").await.refusal(), (404, "NoSuchKey".into()));
    assert_eq!(w.send("DELETE", "/bucket/b?versionId=null").await.status, 204);
    assert_eq!(w.send("GET", "/bucket/c?versionId=xyz").await.refusal(), (404, "NoSuchVersion".into()));
    assert_eq!(w.send("DELETE", "/none/a").await.refusal(), (404, "NoSuchBucket".into()));
    for key in ["d", "e"] {
        w.put(&format!("/bucket/{key}"), b"x").await;
    }
    let object = |key: &str| format!("<Object><Key>{key}</Key></Object>");
    let document = |keys: &[&str], quiet| {
        let objects: String = keys.iter().map(|k| object(k)).collect();
        format!("<Delete><Quiet>{quiet}</Quiet>{objects}</Delete>")
    };
    let many = w.call(call("POST", "/bucket?delete").body(document(&["c", "d", "missing"], false))).await;
    assert_eq!((many.status, many.all("Key")), (200, ["c", "d", "missing"].map(String::from).to_vec()));
    let quiet = w.call(call("POST", "/bucket?delete").body(document(&["e"], true))).await;
    assert_eq!((quiet.status, quiet.all("Key").len()), (200, 0));
    let version = "<Delete><Object><Key>e</Key><VersionId>v9</VersionId></Object></Delete>";
    assert_eq!(w.call(call("POST", "/bucket?delete").body(version)).await.one("Code"), "NoSuchVersion");
    assert_eq!(w.send("GET", "/bucket").await.all("Key"), [""; 0]);
    w.stop().await;
}

#[tokio::test]
async fn what_is_not_built_is_not_accepted() {
    let w = World::start().await;
    for (name, value, status, code) in [
        ("x-amz-website-redirect-location", "elsewhere", 400, "InvalidRedirectLocation"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256", 400, "InvalidArgument"),
        ("x-amz-tagging", "a=1&a=2", 400, "InvalidTag"),
        ("x-amz-acl", "nonsense", 400, "InvalidArgument"),
        ("x-amz-object-lock-mode", "GOVERNANCE", 400, "InvalidRequest"),
        ("x-amz-storage-class", "GLACIER", 400, "InvalidStorageClass"),
    ] {
        let put = call("PUT", "/bucket/k").body("x").header(name, value);
        assert_eq!(w.call(put).await.refusal(), (status, code.to_string()), "{name}: {value}");
    }
    assert_eq!(w.send("GET", "/bucket/k").await.status, 404);
    let private = call("PUT", "/bucket/k").body("x").header("x-amz-acl", "private");
    assert_eq!(w.call(private).await.status, 200);
    w.stop().await;
}

#[tokio::test]
async fn attributes_of_an_object() {
    let w = World::start().await;
    let put = call("PUT", "/bucket/k").body("hello").header("x-amz-checksum-crc32", "NhCmhg==");
    assert_eq!(w.call(put).await.status, 200);
    let get = |wanted: &str| call("GET", "/bucket/k?attributes").header("x-amz-object-attributes", wanted);
    let all = w.call(get("ETag,Checksum,ObjectParts,StorageClass, ObjectSize")).await;
    assert_eq!(all.one("ETag"), "5d41402abc4b2a76b9719d911017c592");
    assert_eq!((all.one("ChecksumCRC32"), all.one("ObjectSize")), ("NhCmhg==".into(), "5".into()));
    assert_eq!((all.one("StorageClass"), all.all("ObjectParts").len()), ("STANDARD".into(), 0));
    assert_eq!(w.call(get("ObjectSize")).await.all("ETag"), [""; 0]);
    for bad in ["", "Size"] {
        assert_eq!(w.call(get(bad)).await.refusal(), (400, "InvalidArgument".into()));
    }
    w.stop().await;
}

#[tokio::test]
async fn acls_that_change_nothing_are_taken() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    for (target, acl, status) in [
        ("/bucket?acl", "private", 200),
        ("/bucket/k?acl", "private", 200),
        ("/bucket/none?acl", "private", 404),
        ("/bucket?acl", "public-read", 200),
        ("/bucket?acl", "nonsense", 400),
    ] {
        let answer = w.call(call("PUT", target).header("x-amz-acl", acl)).await;
        assert_eq!(answer.status, status, "{target} {acl}");
    }
    let conditional = call("DELETE", "/bucket/k").header("x-amz-if-match-size", "7");
    assert_eq!(w.call(conditional).await.refusal(), (412, "PreconditionFailed".into()));
    assert_eq!(w.get("/bucket/k").await, b"x");
    w.stop().await;
}
