//! HTTPS: certificate and key from files, looked at again while the gateway runs, so that a renewed certificate needs
//! no restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The files of a certificate chain and its key, both PEM, and what they held when they were last read.
pub struct S3Tls {
    cert: PathBuf,
    key: PathBuf,
    seen: Seen,
    current: watch::Sender<Arc<ServerConfig>>,
}

/// When the files were changed last.
type Seen = [Option<SystemTime>; 2];

fn seen(cert: &Path, key: &Path) -> Seen {
    [cert, key].map(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok())
}

/// Reads both files; the error says which one is wrong.
fn load(cert: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let bad = |path: &Path, e: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(cert).map_err(|e| bad(cert, &e))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|e| bad(cert, &e))?;
    if chain.is_empty() {
        return Err(bad(cert, &"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| bad(key, &e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(cert, &e))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| bad(cert, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl S3Tls {
    /// Reads a certificate chain and its key. An error names the file that is wrong.
    pub fn open(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> io::Result<S3Tls> {
        let (cert, key) = (cert.into(), key.into());
        let seen = seen(&cert, &key);
        let current = watch::Sender::new(load(&cert, &key)?);
        Ok(S3Tls { cert, key, seen, current })
    }

    /// What new connections are served with.
    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Looks at the files for ever. What cannot be read leaves things as they are: a certificate that is about to end
    /// is better than none.
    pub(super) async fn follow(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    /// One look.
    fn look(&mut self) {
        let now = seen(&self.cert, &self.key);
        if now == self.seen {
            return;
        }
        match load(&self.cert, &self.key) {
            Ok(config) => {
                tracing::info!("the S3 certificate was read again from {}", self.cert.display());
                self.current.send_replace(config);
            }
            // Perhaps only one of the two is written yet: the next change is looked at again.
            Err(e) => tracing::warn!("the S3 certificate stays as it is: {e}"),
        }
        self.seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_string()]).unwrap();
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (cert, key)
    }

    #[test]
    fn changed_files_are_read_again_and_broken_ones_are_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = write(dir.path(), "one");
        let mut tls = S3Tls::open(&cert, &key).unwrap();
        let receiver = tls.current();
        let first = receiver.borrow().clone();
        tls.look();
        assert!(Arc::ptr_eq(&first, &receiver.borrow()), "nothing changed");
        // Coarse clocks: the change must show.
        let later = SystemTime::now() + Duration::from_secs(5);
        let touch = |path: &Path, at| {
            std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap()
        };
        write(dir.path(), "two");
        touch(&cert, later);
        tls.look();
        let second = receiver.borrow().clone();
        assert!(!Arc::ptr_eq(&first, &second));
        std::fs::write(&cert, "nonsense").unwrap();
        touch(&cert, later + Duration::from_secs(5));
        tls.look();
        assert!(Arc::ptr_eq(&second, &receiver.borrow()));
        let refused = S3Tls::open(&cert, &key).err().unwrap().to_string();
        assert!(refused.contains("cert.pem"), "{refused}");
        assert!(S3Tls::open(dir.path().join("none"), &key).is_err());
    }
}
