//! A link's sending half that never refuses and never reorders: what its queue does not take at once waits
//! here. What may wait is bounded by what clients may have under way (see `fullness`), since everything an
//! OSD sends is caused by an operation that it or a peer admitted, or by recovery, which has a bound of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use wire_codec::Message;
use wire_transport::{Frame, SendError, Sender};

/// Sends in order, now or as soon as there is room. Cheap to clone; lives on one thread.
#[derive(Clone)]
pub(crate) struct Outbox {
    sender: Sender,
    waiting: Rc<RefCell<VecDeque<Frame>>>,
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
        if !self.waiting.borrow().is_empty() {
            self.waiting.borrow_mut().push_back(frame);
            return;
        }
        match self.sender.try_send(frame) {
            Ok(()) | Err(SendError::Closed(_)) => {}
            Err(SendError::Full(frame)) => {
                self.waiting.borrow_mut().push_back(frame);
                tokio::task::spawn_local(self.clone().drain());
            }
        }
    }

    async fn drain(self) {
        loop {
            // The frame stays in the queue until it is taken, so that `send` keeps the order behind it.
            let Some(frame) = self.waiting.borrow_mut().front_mut().map(|f| f.clone()) else { return };
            if self.sender.send(frame).await.is_err() {
                self.waiting.borrow_mut().clear();
                return;
            }
            self.waiting.borrow_mut().pop_front();
        }
    }
}
