//! TLS of the NBD doors: a certificate of the server's, and who among clients is let in. The files are looked at again
//! while the server runs, so that renewed ones need no restart.

use crate::protocol::handshake::Tls;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What a door needs for TLS.
pub struct NbdTls {
    files: Files,
    current: Mutex<Current>,
    required: bool,
}

/// The server's certificate chain and key, and the authorities of its clients.
struct Files {
    cert: PathBuf,
    key: PathBuf,
    clients: Option<PathBuf>,
}

/// What new connections are served with, and when its files were changed.
struct Current {
    config: Arc<ServerConfig>,
    seen: Vec<Option<SystemTime>>,
}

impl Files {
    fn seen(&self) -> Vec<Option<SystemTime>> {
        let all = [Some(&self.cert), Some(&self.key), self.clients.as_ref()];
        let changed = |path: &PathBuf| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        all.into_iter().flatten().map(changed).collect()
    }

    fn load(&self) -> io::Result<Arc<ServerConfig>> {
        let (cert, key) = (&self.cert, &self.key);
        let bad = |path: &Path, e: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))
        };
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| bad(cert, &e))?;
        let config = match &self.clients {
            None => config.with_no_client_auth(),
            Some(path) => {
                let mut roots = rustls::RootCertStore::empty();
                for authority in certificates(path)? {
                    roots.add(authority).map_err(|e| bad(path, &e))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().map_err(|e| bad(path, &e))?)
            }
        };
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| bad(key, &e))?;
        let config = config.with_single_cert(certificates(cert)?, private).map_err(|e| bad(cert, &e))?;
        Ok(Arc::new(config))
    }
}

impl NbdTls {
    /// Reads the server's certificate chain and key, and, where clients need certificates, those of the authorities
    /// that they come from (all PEM). `required`: nothing goes in clear. An error names the file that is wrong.
    pub fn open(cert: &Path, key: &Path, clients: Option<&Path>, required: bool) -> io::Result<NbdTls> {
        let files = Files { cert: cert.into(), key: key.into(), clients: clients.map(Path::to_path_buf) };
        let seen = files.seen();
        let current = Mutex::new(Current { config: files.load()?, seen });
        Ok(NbdTls { files, current, required })
    }

    /// Looks at the files for ever. What cannot be read leaves things as they are: a certificate that is about to end
    /// is better than none. Connections that are there go on with what they began with.
    pub(crate) async fn follow(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    /// One look.
    pub(crate) fn look(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.files.seen();
        if seen == current.seen {
            return;
        }
        match self.files.load() {
            Ok(config) => {
                tracing::info!("the certificates of NBD were read again, {}", self.files.cert.display());
                current.config = config;
            }
            // Perhaps only one of them is written yet: the next change is looked at again.
            Err(e) => tracing::warn!("the certificates of NBD stay as they are: {e}"),
        }
        current.seen = seen;
    }

    /// Whether only clients with a certificate get in.
    pub fn knows_clients(&self) -> bool {
        self.files.clients.is_some() && self.required
    }

    /// What the handshake has to see to.
    pub(crate) fn demand(&self) -> Tls {
        if self.required { Tls::Required } else { Tls::Offered }
    }

    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let config = self.current.lock().unwrap_or_else(PoisonError::into_inner).config.clone();
        TlsAcceptor::from(config).accept(stream).await
    }

    /// The names in the client's certificate (subject alternative names of DNS's kind), which was verified.
    pub(crate) fn names<S>(&self, stream: &TlsStream<S>) -> Vec<String> {
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let Some(cert) = chain.first().and_then(|c| webpki::EndEntityCert::try_from(c).ok()) else {
            return Vec::new();
        };
        cert.valid_dns_names().map(str::to_string).collect()
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let bad = |e: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))
    };
    let all = CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| bad(&e))?;
    if all.is_empty() {
        return Err(bad(&"there is no certificate in it"));
    }
    Ok(all)
}
