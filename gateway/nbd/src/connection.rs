//! One client: its handshake, then its requests, which run at once and are answered as they end.

use crate::export::{Export, ExportError, Exports, NbdError};
use crate::payload;
use crate::protocol::handshake::{Handshake, HandshakeError, OptionHead, Session, Step, greeting};
use crate::protocol::reply::{self, Reply};
use crate::protocol::request::{Command, HEAD_BYTES, Request};
use crate::protocol::words::{REQUEST_BYTES_MAX, command, option};
use bytes::Bytes;
use gateway_block::ZeroMode;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Requests of one client under way; more wait on the socket.
const REQUESTS_MAX: usize = 128;
/// Their bytes, KiB: one of the largest, and something besides.
const MEMORY_KIB: u32 = 40 << 10;
/// From connecting to using an export.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(60);
/// How long a client may refuse to take a reply that waits.
const REPLY_TAKEN_WITHIN: Duration = Duration::from_secs(300);
/// How long requests are refused, rather than not read, while the server stops.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a connection ended other than by its client's goodbye.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    #[error("the handshake took too long")]
    Slow,
    #[error("{0}")]
    Export(#[from] ExportError),
    #[error("{0}")]
    NotARequest(#[from] crate::protocol::request::NotARequest),
    #[error("the server stops")]
    Stopping,
}

/// Serves one client to its end. Returns after its last request has ended.
pub(crate) async fn serve<S, E>(stream: S, exports: E, mut stop: watch::Receiver<bool>) -> Result<(), Ended>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    E: Exports,
{
    let (input, mut output) = tokio::io::split(stream);
    let mut input = BufReader::with_capacity(64 << 10, input);
    let mut patience = Patience { until: Instant::now() + HANDSHAKE_WITHIN, stop: &mut stop };
    let agreed = shake_hands(&mut input, &mut output, &exports, &mut patience).await?;
    let Some((export, session)) = agreed else { return Ok(()) };
    let served = transmit(input, output, &export, session, stop).await;
    exports.close(export).await;
    served
}

/// How long the handshake is waited for: each wait for the client ends with it. The opening of an export does not,
/// for one that was opened must be given back.
struct Patience<'a> {
    until: Instant,
    stop: &'a mut watch::Receiver<bool>,
}

impl Patience<'_> {
    async fn with<T>(&mut self, wait: impl Future<Output = io::Result<T>>) -> Result<T, Ended> {
        tokio::select! {
            done = wait => Ok(done?),
            () = tokio::time::sleep_until(self.until) => Err(Ended::Slow),
            _ = self.stop.wait_for(|s| *s) => Err(Ended::Stopping),
        }
    }
}

/// None: the client went without using an export.
async fn shake_hands<E: Exports>(
    input: &mut (impl AsyncRead + Unpin),
    output: &mut (impl AsyncWrite + Unpin),
    exports: &E,
    patience: &mut Patience<'_>,
) -> Result<Option<(Arc<E::Export>, Session)>, Ended> {
    patience.with(output.write_all(&greeting())).await?;
    let mut handshake = Handshake::begin(patience.with(input.read_u32()).await?)?;
    loop {
        let mut head = [0; 16];
        // A client may leave between two options; nbdinfo does.
        match patience.with(input.read_exact(&mut head)).await {
            Err(Ended::Socket(e)) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        };
        let head = OptionHead::parse(&head)?;
        if head.too_big() {
            patience.with(payload::skip(input, u64::from(head.len))).await?;
            // EXPORT_NAME has no replies, so none that is too long can be refused.
            if head.option == option::EXPORT_NAME {
                return Err(HandshakeError::Insists.into());
            }
            patience.with(output.write_all(&handshake.refuse_big(head.option))).await?;
            continue;
        }
        let data = patience.with(payload::read(input, head.len as usize)).await?;
        match handshake.option(head.option, &data) {
            Step::Send(bytes) => patience.with(output.write_all(&bytes)).await?,
            Step::Close(bytes) => {
                patience.with(output.write_all(&bytes)).await?;
                return Ok(None);
            }
            Step::List => {
                let names = exports.list().await;
                patience.with(output.write_all(&handshake.answer_list(&names))).await?;
            }
            Step::Info { name, go: false } => {
                let facts = exports.info(&name).await;
                patience.with(output.write_all(&handshake.answer_info(&name, false, &facts))).await?;
            }
            Step::Info { name, go: true } => {
                let opened = exports.open(&name).await;
                let facts = opened.as_ref().map(|e| e.facts()).map_err(Clone::clone);
                let sent = patience.with(output.write_all(&handshake.answer_info(&name, true, &facts))).await;
                if let Ok(export) = opened {
                    return used(exports, export, handshake.session(&name), sent).await;
                }
                sent?;
            }
            Step::ExportName { name } => {
                let export = exports.open(&name).await?;
                let answer = handshake.answer_export_name(&export.facts());
                let sent = patience.with(output.write_all(&answer)).await;
                return used(exports, export, handshake.session(&name), sent).await;
            }
        }
    }
}

/// An export that was opened for a client that has gone is given back.
async fn used<E: Exports>(
    exports: &E,
    export: Arc<E::Export>,
    session: Session,
    sent: Result<(), Ended>,
) -> Result<Option<(Arc<E::Export>, Session)>, Ended> {
    match sent {
        Ok(()) => Ok(Some((export, session))),
        Err(gone) => {
            exports.close(export).await;
            Err(gone)
        }
    }
}

/// A reply on its way, with the room that its request took.
struct Outgoing {
    reply: Reply,
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

async fn transmit<X: Export>(
    mut input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    export: &Arc<X>,
    session: Session,
    stop: watch::Receiver<bool>,
) -> Result<(), Ended> {
    // As many as there is room for, so that no request ever waits to hand over its reply.
    let (replies, outgoing) = mpsc::channel(REQUESTS_MAX);
    let writer = tokio::spawn(write(output, outgoing));
    let mut under_way = JoinSet::new();
    let ended = read(&mut input, export, session, stop, &replies, &mut under_way).await;
    // Every request ends, also when its client has gone: what was begun is not torn off half-way.
    while under_way.join_next().await.is_some() {}
    drop(replies);
    let written = writer.await.map_err(io::Error::other)?;
    ended?;
    Ok(written?)
}

async fn read<X: Export>(
    input: &mut (impl AsyncRead + Unpin),
    export: &Arc<X>,
    session: Session,
    mut stop: watch::Receiver<bool>,
    replies: &mpsc::Sender<Outgoing>,
    under_way: &mut JoinSet<()>,
) -> Result<(), Ended> {
    let facts = export.facts();
    let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
    let memory = Arc::new(Semaphore::new(MEMORY_KIB as usize));
    let mut stops_at: Option<Instant> = None;
    loop {
        let Some(head) = next_head(input, &mut stop, &mut stops_at, replies).await? else { return Ok(()) };
        let request = Request::parse(&head)?;
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
        let len = request.payload_len();
        let data = match &checked {
            Ok(_) if len <= REQUEST_BYTES_MAX => payload::read(input, len as usize).await?,
            _ => {
                payload::skip(input, u64::from(len)).await?;
                Bytes::new()
            }
        };
        while under_way.try_join_next().is_some() {}
        let (export, replies) = (export.clone(), replies.clone());
        under_way.spawn(async move {
            let reply = match checked {
                Ok(command) => answer(&*export, command, &request, session, data).await,
                Err(error) => Err(error),
            };
            drop(export);
            let reply = reply.unwrap_or_else(|error| match session.structured {
                true if matches!(request.command, command::READ | command::BLOCK_STATUS) => {
                    reply::failed(request.cookie, error)
                }
                _ => reply::simple(request.cookie, Some(error)),
            });
            // The writer ends early only if the client has gone.
            let _ = replies.send(Outgoing { reply, _room: room }).await;
        });
    }
}

/// The next request's head; none: the client has gone between two requests, or the server has stopped.
async fn next_head(
    input: &mut (impl AsyncRead + Unpin),
    stop: &mut watch::Receiver<bool>,
    stops_at: &mut Option<Instant>,
    replies: &mpsc::Sender<Outgoing>,
) -> Result<Option<[u8; HEAD_BYTES]>, Ended> {
    let mut head = [0; HEAD_BYTES];
    let reading = input.read_exact(&mut head);
    tokio::pin!(reading);
    loop {
        let stopping = *stops_at;
        tokio::select! {
            biased;
            () = until(stopping) => return Ok(None),
            () = replies.closed() => return Ok(None),
            _ = stop.wait_for(|s| *s), if stopping.is_none() => *stops_at = Some(Instant::now() + FAREWELL),
            read = &mut reading => match read {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                other => {
                    other?;
                    break;
                }
            },
        }
    }
    Ok(Some(head))
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn answer<X: Export>(
    export: &X,
    command: Command,
    request: &Request,
    session: Session,
    data: Bytes,
) -> Result<Reply, NbdError> {
    let (offset, len, cookie) = (request.offset, u64::from(request.len), request.cookie);
    match command {
        Command::Read { whole } => {
            let extents = export.read(offset, len).await?;
            return Ok(match session.structured {
                true => reply::read_chunks(cookie, offset, extents, whole),
                false => reply::read_simple(cookie, extents),
            });
        }
        Command::Status { one } => {
            return Ok(reply::status(cookie, &export.extents(offset, len, one).await?));
        }
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
    Ok(reply::simple(cookie, None))
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
