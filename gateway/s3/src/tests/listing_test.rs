//! Listings of objects, in all their versions.

use super::*;

async fn world(keys: &[&str]) -> World {
    let w = World::start().await;
    for key in keys {
        w.put(&format!("/bucket/{}", crate::uri::encode(key.as_bytes(), true)), b"x").await;
    }
    w
}

#[tokio::test]
async fn prefixes_and_delimiters() {
    let w = world(&["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla"]).await;
    let list = w.send("GET", "/bucket?delimiter=/").await;
    assert_eq!(list.all("Key"), ["asdf"]);
    // The first is the prefix that was asked for.
    assert_eq!(list.all("Prefix"), ["", "boo/", "cquux/"]);
    assert_eq!((list.one("Delimiter"), list.one("IsTruncated")), ("/".into(), "false".into()));
    let list = w.send("GET", "/bucket?list-type=2&delimiter=/&prefix=boo/").await;
    assert_eq!(
        (list.all("Key"), list.all("Prefix")),
        (vec!["boo/bar".into()], vec!["boo/".into(), "boo/baz/".into()])
    );
    assert_eq!(list.one("KeyCount"), "2");
    let list = w.send("GET", "/bucket?prefix=zzz").await;
    assert_eq!((list.all("Key").len(), list.one("IsTruncated")), (0, "false".into()));
    assert_eq!(w.send("GET", "/bucket?delimiter=").await.all("Key").len(), 5, "an empty delimiter is none");
    w.stop().await;
}

#[tokio::test]
async fn pages_of_the_first_version() {
    let w = world(&["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla"]).await;
    let page = |marker: &str| format!("/bucket?delimiter=/&max-keys=1&marker={marker}");
    let first = w.send("GET", &page("")).await;
    assert_eq!((first.all("Key"), first.one("NextMarker")), (vec!["asdf".to_string()], "asdf".into()));
    let second = w.send("GET", &page("asdf")).await;
    assert_eq!(
        (second.all("Prefix"), second.one("NextMarker")),
        (vec!["".into(), "boo/".into()], "boo/".into())
    );
    assert_eq!(second.one("IsTruncated"), "true");
    let third = w.send("GET", &page("boo/")).await;
    assert_eq!(
        (third.all("Prefix"), third.one("IsTruncated")),
        (vec!["".into(), "cquux/".into()], "false".into())
    );
    assert_eq!(third.all("NextMarker"), [""; 0]);
    let plain = w.send("GET", "/bucket?max-keys=2").await;
    assert_eq!((plain.one("IsTruncated"), plain.all("NextMarker").len()), ("true".into(), 0));
    let from = w.send("GET", "/bucket?marker=boo/baz/xyzzy").await;
    assert_eq!(
        (from.all("Key"), from.one("Marker")),
        (vec!["cquux/bla".into(), "cquux/thud".into()], "boo/baz/xyzzy".into())
    );
    w.stop().await;
}

#[tokio::test]
async fn pages_of_the_second_version() {
    let keys: Vec<String> = (0..25).map(|i| format!("dir{}/k{i:02}", i % 3)).collect();
    let w = world(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut sorted = keys.clone();
    sorted.sort();
    for max in [1, 3, 7, 25, 1000] {
        let (mut seen, mut token) = (Vec::new(), None::<String>);
        loop {
            let more = token.map(|t| format!("&continuation-token={t}")).unwrap_or_default();
            let page = w.send("GET", &format!("/bucket?list-type=2&max-keys={max}{more}")).await;
            assert_eq!(page.one("KeyCount"), page.all("Key").len().to_string());
            seen.extend(page.all("Key"));
            if page.one("IsTruncated") == "false" {
                assert_eq!(page.all("NextContinuationToken"), [""; 0]);
                break;
            }
            token = Some(page.one("NextContinuationToken"));
        }
        assert_eq!(seen, sorted, "pages of {max}");
    }
    let after = w.send("GET", "/bucket?list-type=2&start-after=dir2/k14&fetch-owner=true").await;
    assert_eq!(after.all("Key"), ["dir2/k17", "dir2/k20", "dir2/k23"]);
    assert_eq!((after.one("StartAfter"), after.all("ID").len()), ("dir2/k14".into(), 3));
    assert_eq!(w.send("GET", "/bucket?list-type=2").await.all("Owner").len(), 0);
    let none = w.send("GET", "/bucket?list-type=2&max-keys=0").await;
    assert_eq!(
        (none.one("IsTruncated"), none.one("MaxKeys"), none.all("Key").len()),
        ("false".into(), "0".into(), 0)
    );
    for bad in ["max-keys=blah", "max-keys=-1", "continuation-token=!", "encoding-type=base64"] {
        let answer = w.send("GET", &format!("/bucket?list-type=2&{bad}")).await;
        assert_eq!(answer.refusal(), (400, "InvalidArgument".into()), "{bad}");
    }
    w.stop().await;
}

#[tokio::test]
async fn encoded_keys() {
    let w = world(&["foo+1/bar", "foo/bar/xyz", "quux ab/thud", "asdf+b", "<&>", "\u{1}"]).await;
    let list = w.send("GET", "/bucket?list-type=2&delimiter=/&encoding-type=url").await;
    assert_eq!(list.all("Key"), ["%01", "%3C%26%3E", "asdf%2Bb"]);
    assert_eq!(list.all("Prefix"), ["", "foo%2B1/", "foo/", "quux%20ab/"]);
    assert_eq!(list.one("EncodingType"), "url");
    let plain = w.send("GET", "/bucket?prefix=%3C").await.text();
    assert!(plain.contains("<Key>&lt;&amp;&gt;</Key>"), "{plain}");
    w.stop().await;
}

#[tokio::test]
async fn entries_say_what_they_are() {
    let w = World::start().await;
    let etag = w.put("/bucket/k", b"hello").await;
    let list = w.send("GET", "/bucket").await;
    assert_eq!(list.one("ETag"), format!("\"{etag}\""));
    assert_eq!(
        (list.one("Size"), list.one("StorageClass"), list.one("ID")),
        ("5".into(), "STANDARD".into(), "alice".into())
    );
    let time = list.one("LastModified");
    assert!(time.len() == 24 && time.ends_with('Z') && time.contains('T'), "{time}");
    let versions = w.send("GET", "/bucket?versions").await;
    assert_eq!((versions.one("VersionId"), versions.one("IsLatest")), ("null".into(), "true".into()));
    assert_eq!(w.send("GET", "/none").await.refusal(), (404, "NoSuchBucket".into()));
    w.stop().await;
}
