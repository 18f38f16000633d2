//! HTTP/1.1 over a plain socket: bytes out exactly as given, one response in.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header called `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// S3's error code in the body; empty if there is none.
    pub fn code(&self) -> String {
        super::list::field(&self.text(), "Code").unwrap_or_default()
    }
    /// Status and code in short, for messages.
    pub fn brief(&self) -> String {
        format!("{} {}", self.status, self.code()).trim_end().to_string()
    }
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    /// Whether the server said that it closes.
    pub closed: bool,
}

impl Connection {
    /// Connects; every later read and write ends with an error after `patience`.
    pub fn open(addr: SocketAddr, patience: Duration) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&addr, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        let reader = BufReader::with_capacity(64 << 10, stream.try_clone()?);
        Ok(Connection { stream, reader, closed: false })
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends bytes and reads the answer, also one that came before all bytes were taken (a refusal).
    pub fn exchange(&mut self, bytes: &[u8], head_only: bool) -> io::Result<Response> {
        let sent = self.send(bytes);
        match (self.response(head_only), sent) {
            (Ok(response), _) => Ok(response),
            (Err(_), Err(e)) => Err(e),
            (Err(e), Ok(())) => Err(e),
        }
    }

    /// Reads one response; interim ones (1xx) are passed over. `head_only`: it has no body whatever it announces.
    pub fn response(&mut self, head_only: bool) -> io::Result<Response> {
        loop {
            let (status, headers) = self.head()?;
            if (100..200).contains(&status) {
                continue;
            }
            let mut response = Response { status, headers, body: Vec::new() };
            if response.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close")) {
                self.closed = true;
            }
            if !head_only && status != 204 && status != 304 {
                response.body = self.body(&response)?;
            }
            return Ok(response);
        }
    }

    /// Reads status and headers only; the body stays on the connection.
    pub fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
        let status = status.ok_or_else(|| bad(format!("not a status line: `{first}`")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(format!("not a header: `{line}`")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
        }
    }

    /// Reads at most `buf.len()` bytes of what follows.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.reader.by_ref().take(64 << 10).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended inside a head"));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|_| bad("a head that is not UTF-8".into()))
    }

    fn body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if response.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.line()?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size =
                    u64::from_str_radix(size, 16).map_err(|_| bad(format!("not a chunk size: `{line}`")))?;
                self.exactly(size, &mut body)?;
                let end = self.line()?;
                if !end.is_empty() {
                    return Err(bad(format!("`{end}` after a chunk")));
                }
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        match response.header("content-length") {
            Some(text) => {
                let size = text.parse().map_err(|_| bad(format!("content-length `{text}`")))?;
                self.exactly(size, &mut body)?;
            }
            None => {
                self.closed = true;
                self.reader.read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }

    fn exactly(&mut self, size: u64, body: &mut Vec<u8>) -> io::Result<()> {
        let got = self.reader.by_ref().take(size).read_to_end(body)?;
        if got as u64 == size {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{got} of {size} bytes of a body")))
    }
}

fn bad(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
