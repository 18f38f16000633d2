//! A reader that never takes more than the TLS record at hand, so that plain bytes behind the handshake stay
//! in the socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of a TLS record's header: type, version, length of the body (RFC 8446, 5.1).
const RECORD_HEADER_BYTES: usize = 5;
/// Handshake records are small; what is larger comes in several reads.
const CHUNK_BYTES: usize = 2048;

/// Wraps a socket; closed, it reads by records; open, it reads straight through.
#[derive(Debug)]
pub(crate) struct RecordGate<S> {
    inner: S,
    open: bool,
    header: [u8; RECORD_HEADER_BYTES],
    header_have: usize,
    body_left: usize,
}

impl<S> RecordGate<S> {
    pub(crate) fn new(inner: S) -> RecordGate<S> {
        RecordGate { inner, open: false, header: [0; RECORD_HEADER_BYTES], header_have: 0, body_left: 0 }
    }
    /// From here on reads are not limited.
    pub(crate) fn open(&mut self) {
        self.open = true;
    }
    /// Whether the last record was read to its end.
    pub(crate) fn at_boundary(&self) -> bool {
        self.header_have == 0 && self.body_left == 0
    }
    pub(crate) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordGate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.open {
            return Pin::new(&mut this.inner).poll_read(cx, out);
        }
        let wanted = if this.body_left > 0 { this.body_left } else { RECORD_HEADER_BYTES - this.header_have };
        let limit = wanted.min(out.remaining()).min(CHUNK_BYTES);
        let mut chunk = [0; CHUNK_BYTES];
        let mut buf = ReadBuf::new(&mut chunk[..limit]);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buf))?;
        let got = buf.filled();
        if this.body_left > 0 {
            this.body_left -= got.len();
        } else {
            this.header[this.header_have..this.header_have + got.len()].copy_from_slice(got);
            this.header_have += got.len();
            if this.header_have == RECORD_HEADER_BYTES {
                this.header_have = 0;
                this.body_left = usize::from(u16::from_be_bytes([this.header[3], this.header[4]]));
            }
        }
        out.put_slice(got);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordGate<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn it_stops_at_the_end_of_each_record_until_opened() {
        let mut wire = Vec::new();
        for n in [3usize, 0, 5000] {
            wire.extend([22, 3, 3, (n >> 8) as u8, n as u8]);
            wire.extend(vec![7u8; n]);
        }
        wire.extend(b"plain");
        let mut gate = RecordGate::new(&wire[..]);
        let mut got: Vec<u8> = Vec::new();
        for end in [8, 13, 5018] {
            while got.len() < end {
                let mut buf = [0; 8192];
                let n = gate.read(&mut buf).await.unwrap();
                got.extend(&buf[..n]);
            }
            assert_eq!(got.len(), end);
            assert!(gate.at_boundary());
        }
        gate.open();
        let mut rest = Vec::new();
        gate.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"plain");
    }
}
