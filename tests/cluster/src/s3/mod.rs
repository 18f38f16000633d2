//! A small S3 client of our own, for what well-behaved clients cannot do: sign wrongly, lie about lengths, stop at any
//! byte, and record to the millisecond what was acknowledged.

pub mod http;
pub mod list;
pub mod sign;
pub mod time;

pub use http::{Connection, Response};
pub use list::Listed;
use sign::{Signer, canonical_query, encode};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// A request before it is bytes. Nothing in it is corrected: what is wrong stays wrong.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, encoded.
    pub path: String,
    /// The query, not encoded.
    pub query: Vec<(String, String)>,
    /// Headers except Host and Content-Length, which are added when it becomes bytes.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What Content-Length says, if not the truth.
    pub length: Option<u64>,
}

impl Request {
    /// A request for an encoded path.
    pub fn new(method: &str, path: &str) -> Request {
        Request {
            method: method.into(),
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            length: None,
        }
    }
    /// A request for an object.
    pub fn object(method: &str, bucket: &str, key: &str) -> Request {
        Request::new(method, &format!("/{bucket}/{}", encode(key.as_bytes(), false)))
    }
    /// A request for a bucket.
    pub fn bucket(method: &str, bucket: &str) -> Request {
        Request::new(method, &format!("/{bucket}"))
    }
    /// The same with a body.
    pub fn body(mut self, body: &[u8]) -> Request {
        self.body = body.to_vec();
        self
    }
    /// The same with one more parameter.
    pub fn query(mut self, name: &str, value: &str) -> Request {
        self.query.push((name.into(), value.into()));
        self
    }
    /// The same with one more header.
    pub fn with(mut self, name: &str, value: &str) -> Request {
        self.set(name, value);
        self
    }
    /// Sets a header.
    pub fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(k, _)| !k.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
    }
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
    /// Path and query as they stand in the request line.
    pub fn target(&self) -> String {
        let query = canonical_query(&self.query);
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
    /// Request line and headers.
    pub fn head_bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.target());
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        let length = self.length.unwrap_or(self.body.len() as u64);
        if length > 0 || self.method == "PUT" || self.method == "POST" {
            text += &format!("content-length: {length}\r\n");
        }
        (text + "\r\n").into_bytes()
    }
    /// The whole request.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut all = self.head_bytes(host);
        all.extend_from_slice(&self.body);
        all
    }
}

/// A gateway and the keys to use.
#[derive(Clone)]
pub struct S3 {
    /// HOST:PORT.
    pub host: String,
    /// Who signs.
    pub signer: Signer,
    /// How long a connection may be silent.
    pub patience: Duration,
    addr: SocketAddr,
}

impl S3 {
    /// A client of the gateway at `host`.
    pub fn new(host: &str, access: &str, secret: &str) -> S3 {
        let addr = host.to_socket_addrs().ok().and_then(|mut all| all.next());
        let addr = addr.unwrap_or_else(|| panic!("`{host}` is not an address"));
        let signer = Signer { access: access.into(), secret: secret.into(), region: "us-east-1".into() };
        S3 { host: host.into(), signer, patience: Duration::from_secs(60), addr }
    }

    /// The same with another patience.
    pub fn patient(&self, patience: Duration) -> S3 {
        S3 { patience, ..self.clone() }
    }

    /// A new connection.
    pub fn connect(&self) -> io::Result<Connection> {
        Connection::open(self.addr, self.patience)
    }

    /// Signs for now.
    pub fn sign(&self, mut request: Request) -> Request {
        self.signer.sign(&mut request, &self.host, time::now());
        request
    }

    /// Sends a request as it is, on a connection of its own.
    pub fn raw(&self, request: &Request) -> io::Result<Response> {
        self.connect()?.exchange(&request.bytes(&self.host), request.method == "HEAD")
    }

    /// Signs and sends, on a connection of its own.
    pub fn try_send(&self, request: Request) -> io::Result<Response> {
        self.raw(&self.sign(request))
    }

    /// Signs and sends; the gateway must answer.
    pub fn send(&self, request: Request) -> Response {
        let what = format!("{} {}", request.method, request.target());
        self.try_send(request).unwrap_or_else(|e| panic!("{what}: {e}"))
    }

    /// Signs and sends; the answer must be a success.
    pub fn must(&self, request: Request) -> Response {
        let what = format!("{} {}", request.method, request.target());
        let response = self.send(request);
        assert!((200..300).contains(&response.status), "{what}: {} {}", response.status, response.text());
        response
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, bucket: &str) {
        self.must(Request::bucket("PUT", bucket));
    }

    /// Stores an object.
    pub fn put(&self, bucket: &str, key: &str, body: &[u8]) -> Response {
        self.must(Request::object("PUT", bucket, key).body(body))
    }

    /// An object's bytes; `None` if there is no such object.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let response = self.send(Request::object("GET", bucket, key));
        match response.status {
            200 => Some(response.body),
            404 => None,
            _ => panic!("GET {key}: {} {}", response.status, response.text()),
        }
    }

    /// Every object of a bucket, page by page.
    pub fn list(&self, bucket: &str) -> BTreeMap<String, Listed> {
        let mut all = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let mut request =
                Request::bucket("GET", bucket).query("list-type", "2").query("encoding-type", "url");
            if let Some(token) = &token {
                request = request.query("continuation-token", token);
            }
            let text = self.must(request).text();
            let before = all.len();
            all.extend(list::contents(&text));
            token = list::field(&text, "NextContinuationToken");
            match token {
                None => return all,
                Some(_) => {
                    assert!(all.len() > before, "a page that is said not to be the last brings nothing new")
                }
            }
        }
    }
}
