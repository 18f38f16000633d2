//! Operations that `MemoryRados` holds back until a test lets them go, so that others overtake them.

use super::MemoryRados;
use tokio::sync::{oneshot, watch};

/// An operation that is to be held back.
pub(super) struct Planned {
    object: String,
    skip: u64,
    arrived: oneshot::Sender<()>,
    go: watch::Receiver<()>,
}

/// Holds an operation back as long as it lives.
pub struct Hold {
    arrived: oneshot::Receiver<()>,
    _go: watch::Sender<()>,
}

impl Hold {
    /// Waits until the operation has come. It has not taken place then.
    pub async fn arrived(&mut self) {
        // An error: the cluster is gone, and nothing will come.
        let _ = (&mut self.arrived).await;
    }
}

impl MemoryRados {
    /// Holds back an operation on the object of this name, in whatever pool: the first after `skip` others. Those that
    /// come after it are not kept waiting.
    pub fn hold(&self, object: &str, skip: u64) -> Hold {
        let ((told, arrived), (sender, go)) = (oneshot::channel(), watch::channel(()));
        self.lock().holds.push(Planned { object: object.to_string(), skip, arrived: told, go });
        Hold { arrived, _go: sender }
    }

    /// An operation comes in.
    pub(super) async fn arrive(&self, object: &str) {
        // Lets other tasks in between, as a network would.
        tokio::task::yield_now().await;
        let held = {
            let mut state = self.lock();
            let of_object = |planned: &Planned| planned.object == object;
            let met = state.holds.iter().position(|planned| of_object(planned) && planned.skip == 0);
            let met = met.map(|at| state.holds.remove(at));
            if met.is_none() {
                state.holds.iter_mut().filter(|planned| of_object(planned)).for_each(|p| p.skip -= 1);
            }
            met
        };
        if let Some(Planned { arrived, mut go, .. }) = held {
            // Nobody need wait for it, and nothing is ever sent: it goes on when the sender is dropped.
            let _ = arrived.send(());
            let _ = go.changed().await;
        }
    }
}
