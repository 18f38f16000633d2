//! A client that signs as the real ones do and sends exactly the bytes it is told to.

use crate::auth::{KeyCache, sha256, test_support};
use crate::dates;
use crate::hex;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request to be.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) user: Option<(String, String)>,
    pub(super) host: String,
    pub(super) region: String,
    pub(super) skew: i64,
    /// What `x-amz-content-sha256` says; none: the body's hash.
    pub(super) payload: Option<&'static str>,
    /// Sign a presigned URL of so many seconds in place of a header.
    pub(super) presign: Option<u64>,
    /// Data of an `aws-chunked` body, which replaces `body`, with its trailing headers.
    pub(super) chunks: Option<(Vec<Vec<u8>>, Vec<(String, String)>)>,
}

/// A request by alice.
pub(super) fn call(method: &str, target: &str) -> Call {
    Call {
        method: method.into(),
        target: target.into(),
        headers: Vec::new(),
        body: Vec::new(),
        user: Some(("alice-key".into(), "alice-secret".into())),
        host: "127.0.0.1".into(),
        region: "us-east-1".into(),
        skew: 0,
        payload: None,
        presign: None,
        chunks: None,
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Call {
    pub(super) fn header(mut self, name: &str, value: &str) -> Call {
        self.headers.push((name.into(), value.into()));
        self
    }
    pub(super) fn body(mut self, body: impl AsRef<[u8]>) -> Call {
        self.body = body.as_ref().to_vec();
        self
    }
    pub(super) fn by(mut self, access_key: &str, secret: &str) -> Call {
        self.user = Some((access_key.into(), secret.into()));
        self
    }
    pub(super) fn anonymous(mut self) -> Call {
        self.user = None;
        self
    }
    pub(super) fn chunked(mut self, payload: &'static str, data: &[u8], trailers: &[(&str, &str)]) -> Call {
        let chunks = data.chunks(10).map(<[u8]>::to_vec).collect();
        let trailers = trailers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        self.payload = Some(payload);
        self.chunks = Some((chunks, trailers));
        self
    }

    /// The bytes of the request.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let amz_date = dates::amz(now.checked_add_signed(self.skew).unwrap());
        let mut headers = vec![("host".to_string(), self.host.clone())];
        headers.extend(self.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())));
        if let Some((chunks, trailers)) = &self.chunks {
            let length: usize = chunks.iter().map(Vec::len).sum();
            headers.push(("x-amz-decoded-content-length".into(), length.to_string()));
            headers.push(("content-encoding".into(), "aws-chunked".into()));
            if !trailers.is_empty() {
                let names: Vec<&str> = trailers.iter().map(|(n, _)| n.as_str()).collect();
                headers.push(("x-amz-trailer".into(), names.join(",")));
            }
        }
        let mut target = self.target.clone();
        let mut signer = None;
        if let Some((access_key, secret)) = &self.user {
            let hash = hex::encode(&sha256(&self.body));
            let word = match (self.payload, self.presign) {
                (Some(word), _) => word,
                (None, Some(_)) => "UNSIGNED-PAYLOAD",
                (None, None) => &hash,
            };
            let key = KeyCache::default().get(access_key, secret, &amz_date[..8], &self.region);
            let credential =
                test_support::Credential { access_key, key, amz_date: &amz_date, region: &self.region };
            if let Some(expires) = self.presign {
                target = credential.presign(&self.method, &target, &headers, expires);
            } else {
                headers.push(("x-amz-date".into(), amz_date.clone()));
                headers.push(("x-amz-content-sha256".into(), word.into()));
                let (authorization, chunk_signer) =
                    credential.authorize(&self.method, &target, &headers, word);
                headers.push(("authorization".into(), authorization));
                signer = Some(chunk_signer);
            }
        }
        let body = match (&self.chunks, signer) {
            (Some((chunks, trailers)), signer) => {
                let signer = signer.filter(|_| self.payload.is_some_and(|p| p.contains("HMAC")));
                let sign_trailers = self.payload.is_some_and(|p| p.ends_with("-TRAILER"));
                test_support::aws_chunked(chunks, trailers, signer, sign_trailers)
            }
            (None, _) => self.body.clone(),
        };
        if !headers.iter().any(|(n, _)| n == "content-length" || n == "transfer-encoding") {
            headers.push(("content-length".into(), body.len().to_string()));
        }
        headers.push(("connection".into(), "close".into()));
        let mut out = format!("{} {target} HTTP/1.1\r\n", self.method).into_bytes();
        for (name, value) in &headers {
            out.extend(format!("{name}: ").bytes());
            // Byte for char, so that a test can send any byte.
            out.extend(value.chars().map(|c| c as u8));
            out.extend(b"\r\n");
        }
        out.extend(b"\r\n");
        out.extend(body);
        out
    }

    /// `send` for a task of its own.
    pub(super) async fn send_owned(self, address: SocketAddr) -> Answer {
        self.send(address).await
    }
    /// Sends it over a connection of its own.
    pub(super) async fn send(&self, address: SocketAddr) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(&self.bytes()).await;
        Answer::read(&mut stream, self.method == "HEAD").await
    }
}

impl Answer {
    /// Reads to the end of the connection.
    pub(super) async fn read(stream: &mut TcpStream, head: bool) -> Answer {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        let mut answer = Answer::parse(&all);
        if answer.status == 100 {
            answer = Answer::parse(&answer.body);
        }
        let length: Option<usize> = answer.find("content-length").map(|v| v.parse().unwrap());
        if let (Some(length), false) = (length, head) {
            assert_eq!(answer.body.len(), length, "{answer:?}");
        }
        assert!(!answer.header("x-amz-request-id").is_empty());
        answer
    }

    pub(super) fn parse(all: &[u8]) -> Answer {
        let end = all.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer") + 4;
        let text: String = all[..end].iter().map(|b| char::from(*b)).collect();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|l| l.split_once(": ").unwrap_or((l.trim_end_matches(':'), "")))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_string()))
            .collect();
        Answer { status, headers, body: all[end..].to_vec() }
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// A header; empty if it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or("")
    }
    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
    /// The texts of all elements of this name, unescaped.
    pub(super) fn all(&self, element: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let pieces = text.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap());
        pieces.map(|p| p.replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&")).collect()
    }
    /// The text of the first element of this name; empty if there is none.
    pub(super) fn one(&self, element: &str) -> String {
        self.all(element).into_iter().next().unwrap_or_default()
    }
    /// Status and error code.
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status, self.one("Code"))
    }
}

/// Sends these bytes and reads the answer.
pub(super) async fn send_raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    Answer::read(&mut stream, false).await
}
