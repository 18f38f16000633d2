//! Bodies whose bytes are counted on their way.

use super::Entry;
use super::entry::Noted;
use crate::bucket_log::Logged;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A request's body; its bytes are counted as they are read.
pub(crate) struct Arriving<B> {
    pub(super) body: B,
    noted: Arc<Noted>,
}

impl<B> Arriving<B> {
    pub(crate) fn new(body: B, noted: Arc<Noted>) -> Arriving<B> {
        Arriving { body, noted }
    }
    /// Where to note what only shows while the request is carried out.
    pub(crate) fn noted(&self) -> Arc<Noted> {
        self.noted.clone()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Arriving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.noted.received(data.len() as u64);
        }
        frame
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body. When it ends, however that comes, so does its entry in the log.
pub(crate) struct Leaving<B> {
    pub(super) body: B,
    pub(super) entry: Entry,
    /// Its records in its bucket's log; none, or they are on their way.
    pub(super) logged: Option<Logged>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Leaving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.entry.sent(data.len() as u64);
            if let Some(logged) = &mut this.logged {
                logged.sent(data.len() as u64);
                if this.body.is_end_stream() {
                    // Before the client sees the end: what it asks for after that finds these records.
                    this.logged = None;
                }
            }
        }
        frame
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
