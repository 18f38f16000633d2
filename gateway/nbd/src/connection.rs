//! One client: its handshake, in clear and under TLS, then its requests.

use crate::export::{Export, ExportError, Exports, Peer};
use crate::payload;
use crate::protocol::handshake::{Handshake, HandshakeError, Session, Step, Tls, greeting};
use crate::protocol::option_bytes::OptionHead;
use crate::protocol::words::option;
use crate::tls::NbdTls;
use crate::transmission;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio::time::Instant;

/// From connecting to using an export.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(60);
/// What is read ahead of a client's requests, bytes.
const READ_AHEAD: usize = 64 << 10;

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
    #[error("a request that this server will not read past, with {0} bytes of payload")]
    Hopeless(u64),
    #[error("the server stops")]
    Stopping,
}

/// What holds for the export in use.
pub(crate) struct Terms {
    pub(crate) session: Session,
    /// The snapshot since which changes are told.
    pub(crate) since: Option<String>,
}

impl Terms {
    fn of(handshake: &Handshake, name: &str) -> Terms {
        Terms { session: handshake.session(name), since: handshake.since(name) }
    }
}

/// What a handshake comes to.
enum Agreed<E: Exports> {
    /// The client went without using an export.
    Gone,
    /// TLS begins.
    StartTls(Handshake),
    /// An export is in use.
    Use(Arc<E::Export>, Terms),
}

/// Serves one client to its end. Returns after its last request has ended.
pub(crate) async fn serve<S, E>(
    stream: S,
    tls: Option<Arc<NbdTls>>,
    exports: E,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Exports,
{
    let mut stream = BufReader::with_capacity(READ_AHEAD, stream);
    let mut patience = Patience { until: Instant::now() + HANDSHAKE_WITHIN, stop: &mut stop };
    patience.with(stream.write_all(&greeting())).await?;
    let flags = patience.with(stream.read_u32()).await?;
    let begun = Handshake::begin(flags, tls.as_ref().map_or(Tls::Absent, |t| t.demand()))?;
    match negotiate(&mut stream, begun, &exports, &mut patience).await? {
        Agreed::Gone => Ok(()),
        Agreed::Use(export, terms) => used(stream, exports, export, terms, stop).await,
        Agreed::StartTls(handshake) => {
            let Some(tls) = tls else { return Ok(()) };
            if !stream.buffer().is_empty() {
                return Err(HandshakeError::BeforeTls.into());
            }
            let accepted = patience.with(tls.accept(stream.into_inner())).await?;
            let exports = exports.seen_by(&Peer { names: tls.names(&accepted) });
            let mut stream = BufReader::with_capacity(READ_AHEAD, accepted);
            match negotiate(&mut stream, handshake.under_tls(), &exports, &mut patience).await? {
                Agreed::Use(export, terms) => used(stream, exports, export, terms, stop).await,
                // TLS begins once; the handshake refuses a second.
                Agreed::Gone | Agreed::StartTls(_) => Ok(()),
            }
        }
    }
}

async fn used<S, E>(
    stream: BufReader<S>,
    exports: E,
    export: Arc<E::Export>,
    terms: Terms,
    stop: watch::Receiver<bool>,
) -> Result<(), Ended>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    E: Exports,
{
    let served = transmission::run(stream, &export, &terms, stop).await;
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

    /// Sends, and sees to it that nothing lingers in a buffer of TLS.
    async fn send(&mut self, stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), Ended> {
        self.with(async {
            stream.write_all(bytes).await?;
            stream.flush().await
        })
        .await
    }
}

async fn negotiate<S, E>(
    stream: &mut S,
    mut handshake: Handshake,
    exports: &E,
    patience: &mut Patience<'_>,
) -> Result<Agreed<E>, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
    E: Exports,
{
    loop {
        let mut head = [0; 16];
        // A client may leave between two options; nbdinfo does.
        match patience.with(stream.read_exact(&mut head)).await {
            Err(Ended::Socket(e)) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Agreed::Gone),
            other => other?,
        };
        let head = OptionHead::parse(&head)?;
        if head.too_big() {
            patience.with(payload::skip(stream, u64::from(head.len))).await?;
            // EXPORT_NAME has no replies, so none that is too long can be refused.
            if head.option == option::EXPORT_NAME {
                return Err(HandshakeError::Insists.into());
            }
            patience.send(stream, &handshake.refuse_big(head.option)).await?;
            continue;
        }
        let data = patience.with(payload::read(stream, head.len as usize)).await?;
        match handshake.option(head.option, &data) {
            Step::Send(bytes) => patience.send(stream, &bytes).await?,
            Step::Close(bytes) => {
                patience.send(stream, &bytes).await?;
                return Ok(Agreed::Gone);
            }
            Step::StartTls(bytes) => {
                patience.send(stream, &bytes).await?;
                return Ok(Agreed::StartTls(handshake));
            }
            Step::Contexts { option, name, queries } => {
                let snapshots = exports.snapshots(&name).await;
                let answer = handshake.answer_contexts(option, &name, &queries, &snapshots);
                patience.send(stream, &answer).await?;
            }
            Step::List => {
                let names = exports.list().await;
                patience.send(stream, &handshake.answer_list(&names)).await?;
            }
            Step::Info { name, go: false } => {
                let facts = exports.info(&name).await;
                patience.send(stream, &handshake.answer_info(&name, false, &facts)).await?;
            }
            Step::Info { name, go: true } => {
                let opened = exports.open(&name).await;
                let facts = opened.as_ref().map(|e| e.facts()).map_err(Clone::clone);
                let sent = patience.send(stream, &handshake.answer_info(&name, true, &facts)).await;
                if let Ok(export) = opened {
                    return given(exports, export, Terms::of(&handshake, &name), sent).await;
                }
                sent?;
            }
            Step::ExportName { name } => {
                let export = exports.open(&name).await?;
                let answer = handshake.answer_export_name(&export.facts());
                let sent = patience.send(stream, &answer).await;
                return given(exports, export, Terms::of(&handshake, &name), sent).await;
            }
        }
    }
}

/// An export that was opened for a client that has gone is given back.
async fn given<E: Exports>(
    exports: &E,
    export: Arc<E::Export>,
    terms: Terms,
    sent: Result<(), Ended>,
) -> Result<Agreed<E>, Ended> {
    match sent {
        Ok(()) => Ok(Agreed::Use(export, terms)),
        Err(gone) => {
            exports.close(export).await;
            Err(gone)
        }
    }
}
