//! Reading what follows a head, bounded by what was allowed for it.

use bytes::{Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads exactly `len` bytes. The caller has bounded `len`.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin), len: usize) -> io::Result<Bytes> {
    let mut data = BytesMut::with_capacity(len);
    let mut rest = from.take(len as u64);
    while data.len() < len {
        if rest.read_buf(&mut data).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(data.freeze())
}

/// Reads past exactly `len` bytes without keeping them.
pub(crate) async fn skip(from: &mut (impl AsyncRead + Unpin), len: u64) -> io::Result<()> {
    let passed = tokio::io::copy(&mut from.take(len), &mut tokio::io::sink()).await?;
    if passed == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
