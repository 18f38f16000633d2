//! TLS of the NBD doors: a certificate of the server's, and who among clients is let in.

use crate::protocol::handshake::Tls;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a door needs for TLS.
pub struct NbdTls {
    acceptor: TlsAcceptor,
    required: bool,
    knows_clients: bool,
}

impl NbdTls {
    /// Reads the server's certificate chain and key, and, where clients need certificates, those of the authorities
    /// that they come from (all PEM). `required`: nothing goes in clear. An error names the file that is wrong.
    pub fn open(cert: &Path, key: &Path, clients: Option<&Path>, required: bool) -> io::Result<NbdTls> {
        let bad = |path: &Path, e: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))
        };
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| bad(cert, &e))?;
        let config = match clients {
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
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(NbdTls { acceptor, required, knows_clients: clients.is_some() })
    }

    /// Whether only clients with a certificate get in.
    pub fn knows_clients(&self) -> bool {
        self.knows_clients && self.required
    }

    /// What the handshake has to see to.
    pub(crate) fn demand(&self) -> Tls {
        if self.required { Tls::Required } else { Tls::Offered }
    }

    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        self.acceptor.accept(stream).await
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
