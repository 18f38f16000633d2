//! The load of raw objects. Its clients keep at an operation until it is answered, so every outcome is known, and what
//! happened twice or not at all shows.

mod counter;
mod exclusive;
mod register;

use crate::report::Side;
use crate::run::Run;
use crate::stage::{RAW_POOL, Stage};
use counter::Counter;
use gateway_client::{Client, OpError, Rados, Reply};
use osd_object::{ObjectName, Op};
use register::{Register, Shape};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::Errno;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// A pause between a task's operations: the cluster has to live on the same processors.
const PAUSE: Duration = Duration::from_millis(8);
/// The pause of a writer whose pool is full.
const FULL_PAUSE: Duration = Duration::from_millis(300);
/// Registers of each shape.
const EACH: u64 = 2;
/// How long one read may take after everything healed.
const FINAL_READ: Duration = Duration::from_secs(60);

/// The running load.
pub(crate) struct Load {
    runtime: Runtime,
    clients: Vec<Client>,
    registers: Vec<Arc<Register>>,
    counter: Arc<Counter>,
    tasks: std::sync::Mutex<Vec<(String, JoinHandle<()>)>>,
}

impl Load {
    /// Starts it.
    pub(crate) fn start(run: &Arc<Run>, stage: &Stage, ec: bool) -> Load {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap_or_else(|e| panic!("no runtime: {e}"));
        let clients: Vec<Client> = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..3 {
                clients.push(stage.client().await);
            }
            clients
        });
        // Erasure-coded pools have no omap, as Ceph's.
        let shapes = if ec { &Shape::ALL[..2] } else { &Shape::ALL[..] };
        let registers: Vec<Arc<Register>> = (0..EACH)
            .flat_map(|n| shapes.iter().map(move |shape| (n, *shape)))
            .map(|(n, shape)| Arc::new(Register::new(shape, n, run.seed)))
            .collect();
        let counter = Arc::new(Counter::default());
        let mut tasks = Vec::new();
        let mut spawn = |name: String, task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            tasks.push((name, runtime.spawn(task)));
        };
        for (at, register) in registers.iter().enumerate() {
            let user = User { run: run.clone(), client: clients[at % 2].clone() };
            spawn(register.name.clone(), Box::pin(write(user, register.clone())));
        }
        for (reader, client) in clients.iter().enumerate() {
            let user = User { run: run.clone(), client: client.clone() };
            spawn(format!("reader {reader}"), Box::pin(read(user, registers.clone(), reader as u64)));
            let user = User { run: run.clone(), client: client.clone() };
            spawn(format!("counter of client {reader}"), Box::pin(counter::count(user, counter.clone())));
        }
        spawn("exclusive creations".into(), Box::pin(exclusive::race(run.clone(), clients.clone())));
        Load { runtime, clients, registers, counter, tasks: std::sync::Mutex::new(tasks) }
    }

    /// Waits until every task has ended; one that does not is a broken promise: the cluster is whole again.
    pub(crate) fn finish(&self, run: &Run, patience: Duration) {
        let end = Instant::now() + patience;
        let tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        self.runtime.block_on(async {
            for (name, task) in tasks {
                match tokio::time::timeout_at(end.into(), task).await {
                    Ok(Ok(())) => {}
                    Ok(Err(e)) => run.broken(format!("the task `{name}` panicked: {e}")),
                    Err(_) => run.broken(format!("the task `{name}` waits for an answer that does not come")),
                }
            }
        });
    }

    /// Reads everything once more, by a client that has not seen it before.
    pub(crate) fn verify(&self, run: &Arc<Run>, stage: &Stage) -> usize {
        self.runtime.block_on(async {
            let user = User { run: run.clone(), client: stage.client().await.with_deadline(FINAL_READ) };
            for register in &self.registers {
                if !look(&user, register).await {
                    run.broken(format!("{} cannot be read at the end", register.name));
                }
            }
            self.counter.settle(&user).await;
        });
        self.registers.len() + 1
    }

    /// Where the raw load's clients are, for people.
    pub(crate) fn epochs(&self) -> String {
        self.clients.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ")
    }
}

/// A client, and whom to tell.
pub(crate) struct User {
    run: Arc<Run>,
    client: Client,
}

impl User {
    async fn operate(&self, object: &str, ops: Vec<Op>) -> Result<Reply, OpError> {
        Rados::operate(&self.client, RAW_POOL, ObjectName::new(object), ops).await
    }
    fn acknowledged(&self, what: &'static str, begun: Instant) {
        self.run.report.acknowledged(Side::Raw, what, begun);
    }
    /// An answer that no rule of the load allows.
    fn unexpected(&self, what: &str, error: &OpError) {
        self.run.report.without(format!("raw {}", error.code.name()));
        self.run.broken(format!("{what} answers {error}"));
    }
    async fn pause(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// The one writer of a register.
async fn write(user: User, register: Arc<Register>) {
    while !user.run.stopping() {
        let version = register.track.begin_write();
        let begun = Instant::now();
        loop {
            match user.operate(&register.name, register.ops(version)).await {
                Ok(_) => {
                    register.track.acknowledged(version);
                    user.acknowledged(register.shape.name(), begun);
                    break;
                }
                // Refused, so it has not happened; the same change is asked for anew.
                Err(e) if e.code == Errno::ENOSPC => {
                    user.run.report.without("raw ENOSPC".into());
                    user.pause(FULL_PAUSE).await;
                }
                Err(e) => return user.unexpected(&format!("{}, version {version}", register.name), &e),
            }
            if user.run.stopping() {
                return;
            }
        }
        user.pause(PAUSE).await;
    }
}

/// A reader of all registers.
async fn read(user: User, registers: Vec<Arc<Register>>, number: u64) {
    let mut rng = user.run.rng("raw reader", number);
    while !user.run.stopping() {
        let register = &registers[rng.below(registers.len() as u64) as usize];
        look(&user, register).await;
        user.pause(PAUSE).await;
    }
}

/// Reads a register and judges it; false if there was no answer.
async fn look(user: &User, register: &Register) -> bool {
    let (floor, begun) = (register.track.begin_read(), Instant::now());
    let answer = user.operate(&register.name, register.shape.read()).await;
    if let Err(e) = &answer
        && e.code != Errno::ENOENT
    {
        user.unexpected(&format!("reading {}", register.name), e);
        return false;
    }
    match register.track.end_read(floor, |version| register.is(version, &answer)) {
        Ok(_) => user.acknowledged("read", begun),
        Err(impossible) => user.run.broken(format!(
            "{}: only versions {} to {} are possible, and a read gives {}",
            register.name,
            impossible.floor,
            impossible.ceiling,
            register.describe(&answer)
        )),
    }
    true
}
