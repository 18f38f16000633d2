//! Group commit: commands that arrive while an entry is being committed go into the next one together.

use crate::raft::{Batch, Raft};
use placement_map::{Command, CommandReply, Refusal};
use stdx::time::WallTime;
use tokio::sync::{mpsc, oneshot};

/// Commands waiting for the entry under way.
const QUEUE_MAX: usize = 4096;
/// Commands in one entry.
const BATCH_MAX: usize = 512;
/// Their bytes; one command may be larger, up to [`COMMAND_BYTES_MAX`].
const BATCH_BYTES_MAX: usize = 256 << 10;
/// The largest command taken: a Raft message carries up to 32 entries and must stay below a frame's bound.
pub(crate) const COMMAND_BYTES_MAX: usize = 256 << 10;

/// The command was not committed here: this monitor does not lead, or lost its majority. It may still come to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotCommitted;

type Verdict = Result<Result<CommandReply, Refusal>, NotCommitted>;

struct Proposal {
    command: Command,
    bytes: usize,
    verdict: oneshot::Sender<Verdict>,
}

/// Proposes commands on this monitor. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Proposer {
    queue: mpsc::Sender<Proposal>,
}

impl Proposer {
    /// Starts the task that commits. It ends when all clones are dropped.
    pub(crate) fn start(raft: Raft, wall: fn() -> WallTime) -> Proposer {
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(run(raft, wall, queued));
        Proposer { queue }
    }

    /// Commits a command and tells what came of it.
    pub(crate) async fn propose(&self, command: Command) -> Verdict {
        let bytes = stdx::codec::to_bytes(&command).len();
        if bytes > COMMAND_BYTES_MAX {
            let text = format!("a command of {bytes} bytes is too large; at most {COMMAND_BYTES_MAX}");
            return Ok(Err(Refusal::new(placement_map::RefusalKind::Invalid, text)));
        }
        let (verdict, told) = oneshot::channel();
        self.queue.send(Proposal { command, bytes, verdict }).await.map_err(|_| NotCommitted)?;
        told.await.unwrap_or(Err(NotCommitted))
    }
}

async fn run(raft: Raft, wall: fn() -> WallTime, mut queued: mpsc::Receiver<Proposal>) {
    let mut held: Option<Proposal> = None;
    loop {
        let first = match held.take() {
            Some(proposal) => proposal,
            None => match queued.recv().await {
                Some(proposal) => proposal,
                None => return,
            },
        };
        let mut bytes = first.bytes;
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            let Ok(next) = queued.try_recv() else { break };
            if bytes + next.bytes > BATCH_BYTES_MAX {
                held = Some(next);
                break;
            }
            bytes += next.bytes;
            batch.push(next);
        }
        let (commands, waiting): (Vec<_>, Vec<_>) = batch.into_iter().map(|p| (p.command, p.verdict)).unzip();
        match raft.client_write(Batch { at: wall(), commands }).await {
            Ok(committed) => {
                // One outcome a command, in order; who asked may have given up.
                for (verdict, outcome) in waiting.into_iter().zip(committed.data.0) {
                    let _ = verdict.send(Ok(outcome));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "commands were not committed here");
                for verdict in waiting {
                    let _ = verdict.send(Err(NotCommitted));
                }
            }
        }
    }
}
