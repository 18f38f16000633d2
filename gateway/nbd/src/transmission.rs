//! The requests of one client: they run at once and are answered as they end.
//!
//! Reading, carrying out and answering are three loops of one task: a request costs no task of its own and no
//! hand-over between threads, and answers that are ready together leave together.

use crate::connection::{Ended, Terms};
use crate::export::{Export, NbdError};
use crate::payload;
use crate::protocol::handshake::Session;
use crate::protocol::reply::{Reply, Status, To};
use crate::protocol::request::{Command, HEAD_BYTES_MAX, Request, head_bytes};
use crate::protocol::words::{REQUEST_BYTES_MAX, command};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gateway_block::ZeroMode;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout};

/// Requests of one client under way; more wait on the socket.
const REQUESTS_MAX: usize = 128;
/// Their bytes, KiB: one of the largest, and something besides.
const MEMORY_KIB: u32 = 40 << 10;
/// How long a client may refuse to take a reply that waits.
const REPLY_TAKEN_WITHIN: Duration = Duration::from_secs(300);
/// How long requests are refused, rather than not read, while the server stops.
const FAREWELL: Duration = Duration::from_millis(500);

/// The room that a request takes until its reply has been sent.
type Room = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A request on its way.
struct Job {
    request: Request,
    checked: Result<Command, NbdError>,
    data: Bytes,
    room: Room,
}

/// A reply on its way.
struct Outgoing {
    reply: Reply,
    _room: Room,
}

/// Serves requests until the client goes or the server stops, and those under way to their ends.
pub(crate) async fn run<S: AsyncRead + AsyncWrite, X: Export>(
    stream: BufReader<S>,
    export: &Arc<X>,
    terms: &Terms,
    stop: watch::Receiver<bool>,
) -> Result<(), Ended> {
    let session = terms.session;
    let (input, output) = tokio::io::split(stream);
    // As many as there is room for, so that nobody ever waits to hand on a request or a reply.
    let (jobs, under_way) = mpsc::channel(REQUESTS_MAX);
    let (replies, outgoing) = mpsc::channel(REQUESTS_MAX);
    // Every request ends, also when its client has gone: what was begun is not torn off half-way.
    let (ended, (), written) = tokio::join!(
        read(input, export, session, stop, jobs, replies.downgrade()),
        work(export, terms, under_way, replies),
        write(output, outgoing)
    );
    ended?;
    Ok(written?)
}

async fn read<X: Export>(
    mut input: impl AsyncRead + Unpin,
    export: &Arc<X>,
    session: Session,
    mut stop: watch::Receiver<bool>,
    jobs: mpsc::Sender<Job>,
    replies: mpsc::WeakSender<Outgoing>,
) -> Result<(), Ended> {
    let facts = export.facts();
    let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
    let memory = Arc::new(Semaphore::new(MEMORY_KIB as usize));
    let mut stops_at: Option<Instant> = None;
    let head_len = head_bytes(session.headers);
    loop {
        let mut head = [0; HEAD_BYTES_MAX];
        let head = &mut head[..head_len];
        if !next_head(&mut input, head, &mut stop, &mut stops_at, &replies).await? {
            return Ok(());
        }
        let request = Request::parse(head, session.headers)?;
        if request.hopeless() {
            return Err(Ended::Hopeless(request.payload_len));
        }
        let checked = match stops_at {
            Some(_) if request.command != command::DISCONNECT => Err(NbdError::Shutdown),
            _ => request.check(&facts, &session),
        };
        if matches!(checked, Ok(Command::Disconnect)) {
            return Ok(());
        }
        // Closed never: both live as long as this loop.
        let closed = |_| io::Error::other("no room");
        let kib = request.memory_bytes().div_ceil(1024).max(1);
        let room = (
            requests.clone().acquire_owned().await.map_err(closed)?,
            memory.clone().acquire_many_owned(kib).await.map_err(closed)?,
        );
        let len = request.payload_len;
        let data = match &checked {
            Ok(_) if len <= u64::from(REQUEST_BYTES_MAX) => payload::read(&mut input, len as usize).await?,
            _ => {
                payload::skip(&mut input, len).await?;
                Bytes::new()
            }
        };
        // The other end lives as long as this one.
        let _ = jobs.send(Job { request, checked, data, room }).await;
    }
}

/// Reads the next request's head; false: the client has gone between two requests, or the server has stopped.
async fn next_head(
    input: &mut (impl AsyncRead + Unpin),
    head: &mut [u8],
    stop: &mut watch::Receiver<bool>,
    stops_at: &mut Option<Instant>,
    replies: &mpsc::WeakSender<Outgoing>,
) -> Result<bool, Ended> {
    let Some(replies) = replies.upgrade() else { return Ok(false) };
    let reading = input.read_exact(head);
    tokio::pin!(reading);
    loop {
        let stopping = *stops_at;
        tokio::select! {
            biased;
            () = until(stopping) => return Ok(false),
            () = replies.closed() => return Ok(false),
            _ = stop.wait_for(|s| *s), if stopping.is_none() => *stops_at = Some(Instant::now() + FAREWELL),
            read = &mut reading => return match read {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
                other => Ok(other.map(|_| true)?),
            },
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Carries requests out, all at once, until no more can come and the last has ended.
async fn work<X: Export>(
    export: &Arc<X>,
    terms: &Terms,
    mut jobs: mpsc::Receiver<Job>,
    replies: mpsc::Sender<Outgoing>,
) {
    let mut under_way = FuturesUnordered::new();
    let mut open = true;
    while open || !under_way.is_empty() {
        tokio::select! {
            job = jobs.recv(), if open => match job {
                Some(job) => under_way.push(carry_out(&**export, terms, job)),
                None => open = false,
            },
            Some(done) = under_way.next(), if !under_way.is_empty() => {
                // The writer ends early only if the client has gone.
                let _ = replies.send(done).await;
            }
        }
    }
}

async fn carry_out<X: Export>(export: &X, terms: &Terms, job: Job) -> Outgoing {
    let Job { request, checked, data, room } = job;
    let to = To { headers: terms.session.headers, cookie: request.cookie, offset: request.offset };
    let reply = match checked {
        Ok(command) => answer(export, command, &request, (to, terms), data).await,
        Err(error) => Err(error),
    };
    let in_chunks = matches!(request.command, command::READ | command::BLOCK_STATUS);
    let reply = reply.unwrap_or_else(|error| to.failed(error, in_chunks));
    Outgoing { reply, _room: room }
}

async fn answer<X: Export>(
    export: &X,
    command: Command,
    request: &Request,
    (to, terms): (To, &Terms),
    data: Bytes,
) -> Result<Reply, NbdError> {
    let (offset, len) = (request.offset, request.len);
    match command {
        Command::Read { whole } => return Ok(to.read(export.read(offset, len).await?, whole)),
        Command::Status { one } => return Ok(to.status(&status(export, terms, (offset, len), one).await?)),
        Command::Write => export.write(offset, data).await?,
        Command::Trim => export.zero(offset, len, ZeroMode::Punch).await?,
        Command::Zero { allocate } => {
            let mode = if allocate { ZeroMode::Allocate } else { ZeroMode::Punch };
            export.zero(offset, len, mode).await?;
        }
        Command::Flush => export.flush().await?,
        // Nothing is kept that could be filled.
        Command::Cache | Command::Disconnect => {}
    }
    Ok(to.done())
}

/// What the contexts that were chosen tell of a range.
async fn status<X: Export>(
    export: &X,
    terms: &Terms,
    (offset, len): (u64, u64),
    one: bool,
) -> Result<Vec<Status>, NbdError> {
    let mut all = Vec::with_capacity(2);
    if terms.session.allocation {
        all.push(Status::allocation(&export.extents(offset, len, one).await?));
    }
    if let Some(since) = &terms.since {
        let mut spans = export.changes(since, offset, len).await?;
        spans.truncate(if one { 1 } else { spans.len() });
        all.push(Status::difference(&spans));
    }
    Ok(all)
}

/// Sends replies as they come; small ones that wait leave together.
async fn write(output: impl AsyncWrite + Unpin, mut outgoing: mpsc::Receiver<Outgoing>) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(32 << 10, output);
    while let Some(first) = outgoing.recv().await {
        let sent = timeout(REPLY_TAKEN_WITHIN, async {
            let mut next = Some(first);
            while let Some(out) = next {
                for part in &out.reply {
                    output.write_all(part).await?;
                }
                next = outgoing.try_recv().ok();
            }
            output.flush().await
        });
        sent.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the client takes no replies"))??;
    }
    output.shutdown().await
}
