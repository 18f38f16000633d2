//! Vault's transit engine as the keeper of the keys that clients name for SSE-KMS, as RGW uses it: `datakey/plaintext`
//! makes an object's key, `decrypt` opens it again. Vault's HTTP API, "Transit secrets engine".
//!
//! Every object that is opened asks Vault, so that a key that is disabled there opens nothing any more. What is asked and
//! answered never comes into a log, nor does the token.

use super::SecretKey;
use crate::error::{Code, S3Error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

/// How long one request to Vault may take, the wait for its turn included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests under way at once; more wait.
const AT_ONCE: usize = 64;
/// The longest answer that is read, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The longest token, bytes.
const TOKEN_BYTES_MAX: u64 = 16 << 10;
/// The token is read again after so long, and when Vault refuses it.
const TOKEN_FOR: Duration = Duration::from_secs(60);
/// The longest wrapped key that is kept, bytes.
const WRAPPED_BYTES_MAX: usize = 4096;
/// The longest name of a key, bytes.
const ID_BYTES_MAX: usize = 256;
/// Whom Vault's certificate is to be from, unless a file says otherwise.
const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where Vault is and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSettings {
    /// `http://HOST:PORT` or `https://HOST:PORT` (`rgw_crypt_vault_addr`).
    pub address: String,
    /// Where the transit engine is mounted, such as `/v1/transit` (`rgw_crypt_vault_prefix`).
    pub prefix: String,
    /// The file that holds the token; nobody but its owner may read it (`rgw_crypt_vault_token_file`).
    pub token_file: PathBuf,
    /// Vault's namespace; empty: none (`rgw_crypt_vault_namespace`).
    pub namespace: String,
    /// The certificates that Vault's must come from, PEM; none: the system's (`rgw_crypt_vault_ssl_cacert`).
    pub ca_file: Option<PathBuf>,
    /// Whether it makes the keys of new objects (`rgw_crypt_s3_kms_backend`); else it only opens those it made.
    pub seals: bool,
}

/// What is known of Vault: nothing, how to reach it, or why it cannot be reached.
#[derive(Default)]
pub(crate) struct Keeper(Option<(bool, Result<Arc<Vault>, String>)>);

impl Keeper {
    fn vault(&self) -> Result<Arc<Vault>, S3Error> {
        match &self.0 {
            Some((_, Ok(vault))) => Ok(vault.clone()),
            Some((_, Err(why))) => Err(away(why)),
            None => {
                Err(away("no Vault is set up, and it holds the key of an object: set rgw_crypt_vault_addr"))
            }
        }
    }
    pub(super) fn for_sealing(&self) -> Result<Option<Arc<Vault>>, S3Error> {
        if self.0.as_ref().is_some_and(|(seals, _)| *seals) { self.vault().map(Some) } else { Ok(None) }
    }
    pub(super) fn for_opening(&self) -> Result<Arc<Vault>, S3Error> {
        self.vault()
    }
}

impl<R: gateway_client::Rados> crate::storage::Storage<R> {
    /// Says where Vault is; none: there is none. What is wrong with the settings shows in the log now, and in what needs
    /// Vault.
    pub fn set_vault(&self, settings: Option<VaultSettings>) {
        let keeper = settings.map(|settings| {
            let (seals, vault) = (settings.seals, Vault::open(settings));
            if let Err(why) = &vault {
                tracing::warn!("Vault cannot be used: {why}");
            }
            (seals, vault.map(Arc::new))
        });
        *crate::storage::lock(&self.inner.keys_at_rest.vault) = Keeper(keeper);
    }
}

fn away(cause: impl std::fmt::Display) -> S3Error {
    let message = "The key management service cannot be reached. Please try again.";
    S3Error::with_message(Code::ServiceUnavailable, message).caused_by(format!("Vault: {cause}"))
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The token, and when it was read.
type Token = Option<(Arc<Zeroizing<String>>, Instant)>;

/// One Vault.
pub(crate) struct Vault {
    settings: VaultSettings,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    token: Mutex<Token>,
    room: Semaphore,
}

impl Vault {
    fn open(settings: VaultSettings) -> Result<Vault, String> {
        let uri: Uri =
            settings.address.parse().map_err(|e| format!("{:?} is no address: {e}", settings.address))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_string();
        let (https, port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(format!("{:?} begins with neither http:// nor https://", settings.address)),
        };
        if host.is_empty() || !matches!(uri.path(), "" | "/") {
            return Err(format!("{:?} is no http[s]://HOST:PORT", settings.address));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
        if !settings.prefix.starts_with('/') || !settings.prefix.bytes().all(plain) {
            return Err(format!("{:?} is no path such as /v1/transit", settings.prefix));
        }
        let tls = if https { Some(tls_of(&settings, &host)?) } else { None };
        let port = uri.port_u16().unwrap_or(port);
        Ok(Vault { settings, host, port, tls, token: Mutex::default(), room: Semaphore::new(AT_ONCE) })
    }

    /// A new key for an object, and the same wrapped by Vault's key of that id. `KMS.NotFoundException`,
    /// `AccessDenied`, `ServiceUnavailable`.
    pub(super) async fn data_key(&self, id: &str) -> Result<(SecretKey, Bytes), S3Error> {
        let mut answer = self.ask(id, "datakey/plaintext", &json!({ "bits": 256 })).await?;
        let key = secret(&mut answer)?;
        let wrapped = answer["data"]["ciphertext"].as_str().filter(|text| text.len() <= WRAPPED_BYTES_MAX);
        let wrapped = wrapped.ok_or_else(|| S3Error::internal("Vault made a key without its ciphertext"))?;
        Ok((key, Bytes::copy_from_slice(wrapped.as_bytes())))
    }

    /// The key that Vault wrapped.
    pub(super) async fn decrypt(&self, id: &str, wrapped: &[u8]) -> Result<SecretKey, S3Error> {
        let text = std::str::from_utf8(wrapped).map_err(|_| super::not_what_was_sealed())?;
        secret(&mut self.ask(id, "decrypt", &json!({ "ciphertext": text })).await?)
    }

    async fn ask(&self, id: &str, what: &str, body: &Value) -> Result<Value, S3Error> {
        let not_found = |cause: &str| {
            S3Error::with_message(Code::KMSNotFoundException, format!("Key '{id}' does not exist"))
                .caused_by(cause)
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if id.is_empty() || id.len() > ID_BYTES_MAX || id.starts_with('.') || !id.bytes().all(plain) {
            return Err(not_found("such a name no key of Vault's has"));
        }
        let path = format!("{}/{what}/{id}", self.settings.prefix.trim_end_matches('/'));
        let body = Bytes::from(body.to_string());
        let both = async {
            let first = self.exchange(&path, body.clone(), false).await?;
            // Perhaps it was renewed since it was read.
            if first.0 == StatusCode::FORBIDDEN { self.exchange(&path, body, true).await } else { Ok(first) }
        };
        let late = |_| away(format_args!("{} did not answer within {PATIENCE:?}", self.settings.address));
        let (status, answer) = tokio::time::timeout(PATIENCE, both).await.map_err(late)??;
        if status.is_success() {
            return serde_json::from_slice(&answer)
                .map_err(|_| S3Error::internal("an answer of Vault's makes no sense"));
        }
        let errors = errors_of(&answer);
        match status {
            StatusCode::NOT_FOUND => Err(not_found(&errors)),
            StatusCode::BAD_REQUEST if errors.contains("key not found") => Err(not_found(&errors)),
            StatusCode::FORBIDDEN => {
                let message = format!("The gateway may not use the key '{id}'.");
                let cause = format!("Vault refuses the token of {}", self.settings.token_file.display());
                Err(S3Error::with_message(Code::AccessDenied, message).caused_by(cause))
            }
            status if status.is_client_error() && !matches!(status.as_u16(), 429 | 472 | 473) => {
                Err(S3Error::internal(format!("Vault answers {status}: {errors}")))
            }
            _ => Err(away(format_args!("{} answers {status}: {errors}", self.settings.address))),
        }
    }

    async fn exchange(
        &self,
        path: &str,
        body: Bytes,
        fresh: bool,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), S3Error> {
        let _turn = self.room.acquire().await.map_err(|_| away("it is shut down"))?;
        let token = self.token(fresh)?;
        let stream =
            self.connect().await.map_err(|e| away(format_args!("{}: {e}", self.settings.address)))?;
        let failed = |e: &dyn std::fmt::Display| away(format_args!("{}: {e}", self.settings.address));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
        // It ends with `sender` and the answer's body, or with the other side.
        let carried = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", self.authority())
            .header("content-type", "application/json")
            .header("x-vault-request", "true")
            .header("x-vault-token", token.as_str());
        if !self.settings.namespace.is_empty() {
            request = request.header("x-vault-namespace", &self.settings.namespace);
        }
        let request = request.body(Full::new(body)).map_err(|_| away("token or namespace are no header"))?;
        let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
        let status = answer.status();
        let read = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let bytes = read.map_err(|_| away("an answer was cut short, or too long"))?.to_bytes();
        carried.abort();
        Ok((status, Zeroizing::new(bytes.to_vec())))
    }

    /// Host and port, as requests name them: an IPv6 address in brackets (RFC 3986, 3.2.2).
    fn authority(&self) -> String {
        let Vault { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Io>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
        })
    }

    fn token(&self, fresh: bool) -> Result<Arc<Zeroizing<String>>, S3Error> {
        let mut known = crate::storage::lock(&self.token);
        if let Some((token, read)) = known.as_ref()
            && !fresh
            && read.elapsed() < TOKEN_FOR
        {
            return Ok(token.clone());
        }
        let token = Arc::new(read_token(&self.settings.token_file).map_err(away)?);
        *known = Some((token.clone(), Instant::now()));
        Ok(token)
    }
}

/// The token of a file. One that others may read is refused, as in RGW.
fn read_token(path: &std::path::Path) -> Result<Zeroizing<String>, String> {
    let told = |e: &dyn std::fmt::Display| format!("the token file {}: {e}", path.display());
    let about = std::fs::metadata(path).map_err(|e| told(&e))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(told(&"others than its owner may use it; chmod 600 it"));
    }
    if !about.is_file() || about.len() > TOKEN_BYTES_MAX {
        return Err(told(&"it is no small file"));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| told(&e.kind()))?);
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(told(&"there is no token in it"));
    }
    Ok(Zeroizing::new(token.to_string()))
}

fn tls_of(settings: &VaultSettings, host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let file = settings.ca_file.clone().unwrap_or_else(|| SYSTEM_CAS.into());
    let bad = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(&file).map_err(|e| bad(&e))? {
        let cert = cert.map_err(|e| bad(&e))?;
        // Of the system's some may be of a kind that is not understood here.
        match roots.add(cert) {
            Err(e) if settings.ca_file.is_some() => return Err(bad(&e)),
            _ => {}
        }
    }
    if roots.is_empty() {
        return Err(bad(&"there is no certificate in it"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_string()).map_err(|_| format!("{host:?} is no host's name"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// The key of an answer.
fn secret(answer: &mut Value) -> Result<SecretKey, S3Error> {
    let bad = || S3Error::internal("Vault gave no key of 256 bits");
    let Some(Value::String(text)) = answer.pointer_mut("/data/plaintext").map(Value::take) else {
        return Err(bad());
    };
    let text = Zeroizing::new(text);
    let bytes = Zeroizing::new(STANDARD.decode(text.as_bytes()).map_err(|_| bad())?);
    Ok(SecretKey::new(bytes[..].try_into().map_err(|_| bad())?))
}

/// What Vault says is wrong: its `errors`, for the log.
fn errors_of(answer: &[u8]) -> String {
    let value: Value = serde_json::from_slice(answer).unwrap_or(Value::Null);
    let errors = value["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let text = errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
    text.chars().take(500).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(address: &str) -> VaultSettings {
        VaultSettings {
            address: address.into(),
            prefix: "/v1/transit".into(),
            token_file: "/none".into(),
            namespace: String::new(),
            ca_file: None,
            seals: true,
        }
    }

    #[test]
    fn addresses_and_prefixes_are_looked_at_before_they_are_used() {
        let open = |address: &str| Vault::open(settings(address)).map(|v| (v.host, v.port));
        assert_eq!(open("http://vault:8200"), Ok(("vault".into(), 8200)));
        assert_eq!(open("http://[::1]"), Ok(("::1".into(), 80)));
        let named = |address: &str| Vault::open(settings(address)).map(|v| v.authority());
        assert_eq!(named("http://vault:8200"), Ok("vault:8200".into()));
        assert_eq!(named("http://10.0.0.1"), Ok("10.0.0.1:80".into()));
        assert_eq!(named("http://[2001:db8::1]:8200"), Ok("[2001:db8::1]:8200".into()));
        for bad in ["", "vault:8200", "ftp://vault", "http://vault/v1", "http:// vault"] {
            assert!(open(bad).is_err(), "{bad}");
        }
        let prefixed =
            |prefix: &str| Vault::open(VaultSettings { prefix: prefix.into(), ..settings("http://v") });
        assert!(prefixed("/v1/team/transit/").is_ok());
        assert!(prefixed("v1").is_err() && prefixed("/v1?x").is_err());
    }

    #[test]
    fn a_token_that_others_may_read_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "s.secret\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let why = read_token(&file).unwrap_err();
        assert!(why.contains("chmod 600") && !why.contains("s.secret"), "{why}");
        mode(0o600);
        assert_eq!(read_token(&file).unwrap().as_str(), "s.secret");
        std::fs::write(&file, " \n").unwrap();
        assert!(read_token(&file).is_err());
    }
}
