//! Records on their way to be taken down: gathered in memory for a moment, so that many cost one operation. What finds no
//! room, because storage does not take them, is counted and told of.

use super::BucketLogs;
use crate::storage::{LogGroup, LogRecords, Storage, Taken};
use bytes::Bytes;
use gateway_client::Rados;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Records wait so long for others: about what a crash of the gateway loses.
const GATHER: Duration = Duration::from_millis(200);
/// After storage refused, it is asked again so much later.
const AGAIN: Duration = Duration::from_secs(1);
/// Records that wait, bytes. As much again is held while they are being taken down.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Records that are taken down in one operation, bytes, unless a single one is longer.
const BATCH_BYTES: usize = 128 << 10;

/// Lines of one bucket that go into one log object.
pub(super) struct Lines {
    pub(super) group: LogGroup,
    pub(super) source: String,
    pub(super) owner: String,
    pub(super) text: String,
    pub(super) roll_ms: u64,
    /// So many records do not wait for others; 0: any number does.
    pub(super) batch: u32,
}

struct Gathered {
    owner: String,
    text: String,
    records: u32,
    roll_ms: u64,
}

type Gathering = BTreeMap<(LogGroup, String), Gathered>;

/// Who waits for which records.
type Asking = (LogGroup, oneshot::Sender<bool>);

#[derive(Default)]
struct Waiting {
    gathered: Gathering,
    bytes: usize,
    lost: u64,
    /// Who waits until everything of a group so far is durable; they are told whether it is.
    asking: Vec<Asking>,
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something.
    wanted: Notify,
    /// It shall not wait for more.
    hurried: Notify,
}

impl Waiting {
    fn add(&mut self, lines: Lines) -> bool {
        if self.bytes + lines.text.len() > WAITING_BYTES_MAX {
            self.lost += 1;
            return false;
        }
        self.bytes += lines.text.len();
        let empty = Gathered { owner: String::new(), text: String::new(), records: 0, roll_ms: 0 };
        let have = self.gathered.entry((lines.group, lines.source)).or_insert(empty);
        have.owner = lines.owner;
        have.text.push_str(&lines.text);
        have.records = have.records.saturating_add(1);
        have.roll_ms = lines.roll_ms;
        true
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Each change is one call that leaves nothing half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds lines; without room they are lost, and that is said later.
    pub(super) fn push(&self, lines: Lines) -> bool {
        let batch = lines.batch;
        let key = (lines.group.clone(), lines.source.clone());
        let mut waiting = self.waiting();
        let added = waiting.add(lines);
        let hurries = batch > 0 && waiting.gathered.get(&key).is_some_and(|have| have.records >= batch);
        drop(waiting);
        self.wanted.notify_one();
        if hurries {
            self.hurried.notify_one();
        }
        added
    }

    /// Waits until all of a group that was added so far is durable. Whether it is.
    pub(super) async fn settle(&self, group: &LogGroup) -> bool {
        let (told, answer) = oneshot::channel();
        self.waiting().asking.push((group.clone(), told));
        self.wanted.notify_one();
        self.hurried.notify_one();
        answer.await.unwrap_or(false)
    }

    fn take(&self) -> (Gathering, Vec<Asking>) {
        let Waiting { gathered, lost, asking, .. } = std::mem::take(&mut *self.waiting());
        if lost > 0 {
            tracing::warn!(lost, "records of bucket logs were lost: they are taken down too slowly");
        }
        (gathered, asking)
    }
}

/// Cuts text into pieces of whole lines.
fn pieces(text: &str) -> Vec<Bytes> {
    let (mut out, mut piece) = (Vec::new(), String::new());
    for line in text.split_inclusive('\n') {
        if !piece.is_empty() && piece.len() + line.len() > BATCH_BYTES {
            out.push(Bytes::from(std::mem::take(&mut piece)));
        }
        piece.push_str(line);
    }
    if !piece.is_empty() {
        out.push(Bytes::from(piece));
    }
    out
}

impl BucketLogs {
    /// Takes down what has been gathered. Whether storage took it; what it did not take is gathered again.
    pub(crate) async fn store<R: Rados>(&self, storage: &Storage<R>) -> bool {
        let (gathered, asking) = self.queue.take();
        let mut failed = BTreeSet::new();
        for ((group, source), have) in gathered {
            let mut left = pieces(&have.text).into_iter();
            while let Some(lines) = left.next() {
                let (source, owner) = (source.clone(), have.owner.clone());
                let records = LogRecords { source, owner, lines: lines.clone() };
                match storage.log_take_down(&group, std::slice::from_ref(&records), have.roll_ms).await {
                    Ok(Taken::Down(due_ms)) => self.deliveries.due(due_ms),
                    Ok(Taken::Full) => {
                        failed.insert(group.clone());
                        let (target, bytes) = (&group.target, lines.len());
                        tracing::warn!(
                            target_bucket = target,
                            bytes,
                            "records of a bucket log were lost: those before them cannot be delivered"
                        );
                    }
                    Err(e) => {
                        failed.insert(group.clone());
                        tracing::warn!("records of a bucket log are not taken down yet: {e}");
                        let mut waiting = self.queue.waiting();
                        for lines in std::iter::once(lines).chain(left.by_ref()) {
                            let text = String::from_utf8_lossy(&lines).into_owned();
                            let (group, source, owner) =
                                (group.clone(), source_of(&records), have.owner.clone());
                            waiting.add(Lines {
                                group,
                                source,
                                owner,
                                text,
                                roll_ms: have.roll_ms,
                                batch: 0,
                            });
                        }
                    }
                }
            }
        }
        for (group, told) in asking {
            // Whoever asked may have gone.
            let _ = told.send(!failed.contains(&group));
        }
        failed.is_empty()
    }

    /// Takes records down until `stop` is done.
    pub(crate) async fn keep<R: Rados>(&self, storage: &Storage<R>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = self.queue.wanted.notified() => {}
                () = &mut stop => return,
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = self.queue.hurried.notified() => {}
            }
            if !self.store(storage).await {
                tokio::time::sleep(AGAIN).await;
                self.queue.wanted.notify_one();
            }
        }
    }
}

fn source_of(records: &LogRecords) -> String {
    records.source.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageConfig;
    use gateway_client::MemoryRados;
    use gateway_client::memory::Fault;
    use std::sync::Arc;
    use stdx::Errno;

    fn lines(source: &str, text: &str) -> Lines {
        let group = LogGroup { target: "logs".into(), ..LogGroup::default() };
        let (source, owner) = (source.into(), "ann".into());
        Lines { group, source, owner, text: text.into(), roll_ms: 1000, batch: 0 }
    }

    #[test]
    fn what_waits_is_bounded_and_cut_between_lines() {
        let queue = Queue::default();
        let line = format!("{}\n", "x".repeat(1 << 20));
        assert_eq!((0..6).filter(|_| queue.push(lines("src", &line))).count(), 3);
        assert_eq!(queue.waiting().lost, 3);
        let text = "0123456789\n".repeat(BATCH_BYTES / 4);
        let cut = pieces(&text);
        assert_eq!(cut.concat(), text.as_bytes());
        assert!(cut.len() == 3 && cut.iter().all(|p| p.len() <= BATCH_BYTES && p.ends_with(b"\n")));
        assert_eq!(pieces(&line).len(), 1);
    }

    #[tokio::test]
    async fn what_storage_does_not_take_waits_and_whoever_asks_is_told() {
        let rados = MemoryRados::new(&["s3.meta", "s3.index", "s3.data"]);
        let storage = Storage::new(rados.clone(), StorageConfig::default());
        let logs = BucketLogs::new("r", Arc::default());
        logs.queue.push(lines("a", "1\n"));
        logs.queue.push(lines("b", "2\n"));
        rados.inject(0, 99, Fault::Refuse(Errno::ETIMEDOUT));
        let group = lines("a", "").group;
        let (told, _) = tokio::join!(logs.queue.settle(&group), logs.store(&storage));
        assert!(!told);
        rados.heal();
        let (told, _) = tokio::join!(logs.queue.settle(&group), logs.store(&storage));
        assert!(told);
        assert_eq!(storage.log_group(&group).await.unwrap().unwrap().bytes, 4);
        assert!(logs.store(&storage).await, "there is nothing left");
        assert_eq!(storage.log_group(&group).await.unwrap().unwrap().bytes, 4);
    }
}
