//! What a daemon needs to prove itself and to judge others, ready for use on every link.

use crate::admission::Admission;
use crate::credentials::{Credential, CredentialError, suffix};
use crate::name::PeerName;
use crate::program::Program;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// What protects the frames once both ends proved who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// TLS 1.3 all along.
    #[default]
    Secure,
    /// Plain frames with CRC32C, for a closed back plane: who can write to the wire there can forge.
    Crc,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Secure => "secure",
            Mode::Crc => "crc",
        })
    }
}
impl FromStr for Mode {
    type Err = String;
    fn from_str(s: &str) -> Result<Mode, String> {
        match s {
            "secure" => Ok(Mode::Secure),
            "crc" => Ok(Mode::Crc),
            _ => Err(format!("{s:?} is not a link mode; say secure or crc")),
        }
    }
}

/// A daemon's identity, its cluster's authority and the link mode. Cheap to clone.
#[derive(Clone)]
pub struct Security {
    pub(crate) name: PeerName,
    pub(crate) fsid: Arc<str>,
    pub(crate) suffix: Arc<str>,
    pub(crate) mode: Mode,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) program: Program,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Security({} of {}, {})", self.name, self.fsid, self.mode)
    }
}

impl Security {
    /// From files that `Credential::save` kept in `dir`.
    pub fn load(dir: &Path, name: &PeerName, mode: Mode) -> Result<Security, CredentialError> {
        Security::new(&Credential::load(dir, name)?, mode)
    }

    /// From a credential in hand.
    pub fn new(credential: &Credential, mode: Mode) -> Result<Security, CredentialError> {
        let what = |what: &str| format!("{what} of {}", credential.name);
        let crypto =
            |what: String| move |e: &dyn fmt::Display| CredentialError::Crypto(format!("{what}: {e}"));
        let certificate = |pem: &str| {
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| crypto(what("certificate"))(&e))
        };
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&credential.authority_pem)?).map_err(|e| crypto("the authority".into())(&e))?;
        let roots = Arc::new(roots);
        let chain = vec![certificate(&credential.certificate_pem)?];
        let key = || {
            PrivateKeyDer::from_pem_slice(credential.key_pem.as_bytes()).map_err(|e| crypto(what("key"))(&e))
        };
        let provider = Arc::new(provider());

        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| crypto("TLS".into())(&e))?
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key()?)
            .map_err(|e| crypto(what("credential"))(&e))?;
        // No tickets and no resumption: nothing of TLS may follow the handshake when `crc` goes plain, and a
        // session must not outlive the certificate check.
        client.resumption = Resumption::disabled();

        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            // The hint would tell a stranger the authority's name.
            .clear_root_hint_subjects()
            .build()
            .map_err(|e| crypto("the authority".into())(&e))?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| crypto("TLS".into())(&e))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key()?)
            .map_err(|e| crypto(what("credential"))(&e))?;
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});

        Ok(Security {
            name: credential.name.clone(),
            fsid: credential.fsid.as_str().into(),
            suffix: suffix(&credential.fsid).into(),
            mode,
            client: Arc::new(client),
            server: Arc::new(server),
            admission: Arc::default(),
            program: Program::ours(),
        })
    }

    /// The same for a daemon of another feature level than this build's: for showing what an older one meets.
    pub fn with_level(mut self, level: u32) -> Security {
        self.program.level = level;
        self
    }
    /// What it tells peers that it runs.
    pub fn program(&self) -> Program {
        self.program
    }
    /// Who this daemon is.
    pub fn name(&self) -> &PeerName {
        &self.name
    }
    /// Which keys it lets in; the same for all clones.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }
    /// The cluster it belongs to.
    pub fn fsid(&self) -> &str {
        &self.fsid
    }
    /// How its links are protected.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

/// ring, with AES-128-GCM first: as strong as the X25519 exchange before it, and cheaper than AES-256.
fn provider() -> CryptoProvider {
    use ring::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let suites = vec![TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_256_GCM_SHA384];
    CryptoProvider { cipher_suites: suites, ..ring::default_provider() }
}
