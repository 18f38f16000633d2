//! A link's sending half that never refuses and never reorders: what its queue does not take at once waits
//! here. What may wait is bounded by what clients may have under way (see `fullness`), since everything an
//! OSD sends is caused by an operation that it or a peer admitted, or by recovery, which has a bound of its own;
//! and by `caught_up`, behind which a client that does not read its answers waits with its next operation.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::Notify;
use wire_codec::Message;
use wire_transport::{Frame, SendError, Sender};

/// Answers that a client has not taken before it is asked to take some, bytes; on top of the link's own queue.
const BACKLOG_BYTES_MAX: usize = 8 << 20;

/// Sends in order, now or as soon as there is room. Cheap to clone; lives on one thread.
#[derive(Clone)]
pub(crate) struct Outbox {
    sender: Sender,
    waiting: Rc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    frames: RefCell<VecDeque<Frame>>,
    bytes: Cell<usize>,
    shrunk: Notify,
}

impl Waiting {
    fn push(&self, frame: Frame) {
        self.bytes.set(self.bytes.get() + frame.bytes());
        self.frames.borrow_mut().push_back(frame);
    }
    fn pop(&self) {
        if let Some(frame) = self.frames.borrow_mut().pop_front() {
            self.bytes.set(self.bytes.get() - frame.bytes());
            self.shrunk.notify_one();
        }
    }
    fn clear(&self) {
        self.frames.borrow_mut().clear();
        self.bytes.set(0);
        self.shrunk.notify_one();
    }
}

impl Outbox {
    /// Over a link's sending half.
    pub(crate) fn new(sender: Sender) -> Outbox {
        Outbox { sender, waiting: Rc::default() }
    }

    /// Queues a message. A link that has ended drops it: whoever depends on it learns of the loss from the
    /// link's end and sends anew.
    pub(crate) fn send(&self, message: &Message) {
        let frame = match Frame::of(message) {
            Ok(frame) => frame,
            // Every message an OSD makes is cut to fit a frame; one that does not fit is our mistake.
            Err(error) => panic!("a message to {} does not fit a frame: {error}", self.sender.peer()),
        };
        if self.is_behind() {
            self.waiting.push(frame);
            return;
        }
        match self.sender.try_send(frame) {
            Ok(()) | Err(SendError::Closed(_)) => {}
            Err(SendError::Full(frame)) => {
                self.waiting.push(frame);
                tokio::task::spawn_local(self.clone().drain());
            }
        }
    }

    /// Whether something waits.
    pub(crate) fn is_behind(&self) -> bool {
        !self.waiting.frames.borrow().is_empty()
    }

    /// Whether the link has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until not too much waits. For one task only.
    pub(crate) async fn caught_up(&self) {
        while self.waiting.bytes.get() > BACKLOG_BYTES_MAX {
            self.waiting.shrunk.notified().await;
        }
    }

    /// Stops sending; what waits is dropped.
    pub(crate) fn close(&self) {
        self.sender.close();
    }

    async fn drain(self) {
        loop {
            // The frame stays in the queue until it is taken, so that `send` keeps the order behind it.
            let Some(frame) = self.waiting.frames.borrow_mut().front_mut().map(|f| f.clone()) else { return };
            if self.sender.send(frame).await.is_err() {
                self.waiting.clear();
                return;
            }
            self.waiting.pop();
        }
    }
}
