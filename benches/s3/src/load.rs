//! The load generator: requests that were signed beforehand, over connections that are kept, each sending its next
//! one when the last was answered. One thread, so that it takes little from the servers beside it; what it takes
//! is told.

use crate::answer;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Up to so many bytes a body is sent together with its head.
const JOINED_BYTES: usize = 256 << 10;
/// What a connection reads at once.
const READ_BYTES: usize = 256 << 10;
/// One body in so many is compared byte by byte; of all the length counts.
const COMPARED_EVERY: u64 = 16;
/// A request that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to send.
pub(crate) struct Plan {
    /// Where to.
    pub(crate) addr: SocketAddr,
    /// Request lines and headers, signed.
    pub(crate) heads: Vec<Vec<u8>>,
    /// The body of each.
    pub(crate) body: Vec<u8>,
    /// The body that each answer must have.
    pub(crate) expected: Option<Vec<u8>>,
    /// Whether answers have heads only.
    pub(crate) head_only: bool,
    /// Requests under way at once.
    pub(crate) connections: usize,
    /// It ends after so long,
    pub(crate) time: Duration,
    /// or once all were sent; else they are sent again from the first.
    pub(crate) once: bool,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Told {
    /// Microseconds that each success took.
    pub(crate) took_us: Vec<u32>,
    /// From the first request to the last answer, seconds.
    pub(crate) seconds: f64,
    /// How many requests were sent.
    pub(crate) sent: usize,
    /// How many had no success, or not the expected body.
    pub(crate) failed: u64,
    /// What the first of those was answered.
    pub(crate) first_failure: Option<String>,
}

impl Told {
    /// Successes per second.
    pub(crate) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.took_us.len() as f64 / self.seconds } else { 0.0 }
    }

    /// The time that a share of the successes stayed under, milliseconds. `took_us` is in order.
    pub(crate) fn percentile_ms(&self, share: f64) -> f64 {
        let last = self.took_us.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.took_us.get(at).map_or(0.0, |us| f64::from(*us) / 1000.0)
    }

    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }
}

struct Run {
    plan: Plan,
    begin: Instant,
    told: RefCell<Told>,
}

/// Carries a plan out.
pub(crate) fn run(plan: Plan) -> Result<Told, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("the load generator: {e}"))?;
    let connections = plan.connections;
    let run = Rc::new(Run { plan, begin: Instant::now(), told: RefCell::default() });
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let tasks: Vec<_> =
            (0..connections).map(|_| tokio::task::spawn_local(connection(run.clone()))).collect();
        for task in tasks {
            task.await.map_err(|e| format!("a connection: {e}"))?;
        }
        Ok::<(), String>(())
    })?;
    let mut told = run.told.take();
    told.seconds = run.begin.elapsed().as_secs_f64();
    told.took_us.sort_unstable();
    Ok(told)
}

async fn connection(run: Rc<Run>) {
    let mut stream = None;
    while let Some(n) = run.next() {
        let begin = Instant::now();
        match tokio::time::timeout(PATIENCE, run.exchange(&mut stream, n)).await {
            Ok(Ok(())) => {
                let us = u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX);
                run.told.borrow_mut().took_us.push(us);
            }
            Ok(Err(why)) => {
                stream = None;
                let mut told = run.told.borrow_mut();
                told.fail(why);
                // A server that refuses everything is not hammered.
                if told.failed > 100 {
                    return;
                }
            }
            Err(_) => {
                stream = None;
                run.told.borrow_mut().fail(format!("no answer within {PATIENCE:?}"));
            }
        }
    }
}

impl Run {
    /// The number of the next request, if there is one.
    fn next(&self) -> Option<usize> {
        let mut told = self.told.borrow_mut();
        let over = self.begin.elapsed() >= self.plan.time;
        if over || (self.plan.once && told.sent >= self.plan.heads.len()) {
            return None;
        }
        told.sent += 1;
        Some(told.sent - 1)
    }

    async fn exchange(&self, kept: &mut Option<BufReader<TcpStream>>, n: usize) -> Result<(), String> {
        let plan = &self.plan;
        let told = |e: std::io::Error| e.to_string();
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(plan.addr).await.map_err(told)?;
                stream.set_nodelay(true).map_err(told)?;
                BufReader::with_capacity(READ_BYTES, stream)
            }
        };
        let head = &plan.heads[n % plan.heads.len()];
        if plan.body.len() <= JOINED_BYTES {
            let mut all = Vec::with_capacity(head.len() + plan.body.len());
            all.extend_from_slice(head);
            all.extend_from_slice(&plan.body);
            stream.get_mut().write_all(&all).await.map_err(told)?;
        } else {
            stream.get_mut().write_all(head).await.map_err(told)?;
            stream.get_mut().write_all(&plan.body).await.map_err(told)?;
        }
        let compared = (n as u64).is_multiple_of(COMPARED_EVERY);
        let expected = plan.expected.as_deref();
        let answer = answer::read(&mut stream, plan.head_only, expected.filter(|_| compared));
        let answer = answer.await.map_err(told)?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.text)));
        }
        if answer.differs || expected.is_some_and(|e| e.len() as u64 != answer.bytes) {
            return Err(format!("a body of {} bytes that is not the object's", answer.bytes));
        }
        if !answer.closes {
            *kept = Some(stream);
        }
        Ok(())
    }
}
