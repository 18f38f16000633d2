//! TLS with client certificates, and who may use what: by hand, and by the tools where they are installed.

use super::wire::Client;
use super::{Server, images};
use crate::protocol::words::option;
use crate::{NbdTls, Rule};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority with certificates for a server and two clients, as files; named as libnbd wants them.
struct Papers(tempfile::TempDir);

impl Papers {
    fn new() -> Papers {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(dir.path().join("ca-cert.pem"), authority.pem()).unwrap();
        let sign = |names: &[&str], usage: ExtendedKeyUsagePurpose, cert: &str, key: &str| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_string()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.extended_key_usages = vec![usage];
            let pair = KeyPair::generate().unwrap();
            let signed = params.signed_by(&pair, &authority).unwrap();
            std::fs::write(dir.path().join(cert), signed.pem()).unwrap();
            std::fs::write(dir.path().join(key), pair.serialize_pem()).unwrap();
        };
        sign(&["localhost"], ExtendedKeyUsagePurpose::ServerAuth, "server-cert.pem", "server-key.pem");
        sign(&["vm1"], ExtendedKeyUsagePurpose::ClientAuth, "client-cert.pem", "client-key.pem");
        sign(&["stranger"], ExtendedKeyUsagePurpose::ClientAuth, "stranger-cert.pem", "stranger-key.pem");
        Papers(dir)
    }
    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }
    fn tls(&self, required: bool) -> NbdTls {
        let [cert, key, ca] = ["server-cert.pem", "server-key.pem", "ca-cert.pem"].map(|f| self.path(f));
        NbdTls::open(&cert, &key, Some(&ca), required).unwrap()
    }
    fn connector(&self, client: Option<&str>) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.path("ca-cert.pem")).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some(name) => {
                let cert = CertificateDer::from_pem_file(self.path(&format!("{name}-cert.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}-key.pem"))).unwrap();
                config.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }
}

/// A client that has begun TLS; an error if it was not let in.
async fn under_tls(server: &Server, papers: &Papers, client: Option<&str>) -> std::io::Result<Secured> {
    let mut c = Client::connect(server).await;
    c.option(option::STARTTLS, b"").await;
    assert_eq!(c.kinds().await, [1]);
    let name = ServerName::try_from("localhost").unwrap();
    Ok(Secured(papers.connector(client).connect(name, c.0).await?))
}

struct Secured(TlsStream<tokio::net::UnixStream>);

impl Secured {
    /// What the option is answered with: kind and body of each reply.
    async fn option(&mut self, option: u32, data: &[u8]) -> std::io::Result<Vec<(u32, Vec<u8>)>> {
        let head = [&b"IHAVEOPT"[..], &option.to_be_bytes(), &(data.len() as u32).to_be_bytes()].concat();
        self.0.write_all(&[&head, data].concat()).await?;
        let mut all = Vec::new();
        loop {
            let mut head = [0; 20];
            self.0.read_exact(&mut head).await?;
            let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| head[at + i]));
            let mut body = vec![0; word(16) as usize];
            self.0.read_exact(&mut body).await?;
            all.push((word(12), body));
            if word(12) == 1 || word(12) >> 31 == 1 {
                return Ok(all);
            }
        }
    }
    async fn go(&mut self, name: &str) -> (u32, bool) {
        let data = [&(name.len() as u32).to_be_bytes()[..], name.as_bytes(), &[0, 0]].concat();
        let replies = self.option(option::GO, &data).await.unwrap();
        let read_only = replies[0].1.get(11).is_some_and(|flags| flags & 2 != 0);
        (replies.last().unwrap().0, read_only)
    }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_certificate_says_who_a_client_is_and_rules_what_it_may() {
    let papers = Papers::new();
    let (_, exports) = images().await;
    let exports = exports.with_rules(rules(&["vm1=rbd/a", "*=rbd/b:ro"]));
    let server = Server::start_with(exports, Some(papers.tls(true)));

    // In clear nothing is told.
    let mut clear = Client::connect(&server).await;
    clear.option(option::LIST, b"").await;
    assert_eq!(clear.kinds().await, [0x8000_0005]);
    assert_eq!(clear.go("rbd/b").await, [0x8000_0005]);

    let mut vm1 = under_tls(&server, &papers, Some("client")).await.unwrap();
    assert_eq!(vm1.option(option::LIST, b"").await.unwrap().len(), 3, "both images and the end");
    assert_eq!(vm1.go("rbd/a").await, (1, false));
    let mut vm1 = under_tls(&server, &papers, Some("client")).await.unwrap();
    assert_eq!(vm1.go("rbd/b").await, (1, true), "to be read");

    let mut stranger = under_tls(&server, &papers, Some("stranger")).await.unwrap();
    assert_eq!(stranger.option(option::LIST, b"").await.unwrap().len(), 2, "only what is for everybody");
    assert_eq!(stranger.go("rbd/a").await.0, 0x8000_0006, "as if there were none");
    assert_eq!(stranger.go("b").await, (1, true));

    // Without a certificate: with TLS 1.3 the client learns of it when it reads.
    let refused = match under_tls(&server, &papers, None).await {
        Err(_) => true,
        Ok(mut nobody) => nobody.option(option::LIST, b"").await.is_err(),
    };
    assert!(refused);
    drop((clear, vm1, stranger));
    server.stop().await;
}

#[tokio::test]
async fn what_was_slipped_in_before_tls_ends_the_connection() {
    let papers = Papers::new();
    let (_, exports) = images().await;
    let server = Server::start_with(exports, Some(papers.tls(false)));
    let mut c = Client::connect(&server).await;
    let starttls = b"IHAVEOPT\0\0\0\x05\0\0\0\0";
    let list = b"IHAVEOPT\0\0\0\x03\0\0\0\0";
    c.0.write_all(&[&starttls[..], list].concat()).await.unwrap();
    assert_eq!(c.kinds().await, [1]);
    assert!(c.ended().await);
    // Where TLS is only offered, who does not ask for it is served in clear.
    let mut c = Client::connect(&server).await;
    assert_eq!(c.go("rbd/a").await, [3, 3, 3, 1]);
    drop(c);
    server.stop().await;
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let papers = Papers::new();
    let at = |file: &str| papers.path(file);
    std::fs::write(at("empty"), "").unwrap();
    let open = |cert: &str, key: &str, ca: &str| NbdTls::open(&at(cert), &at(key), Some(&at(ca)), true).err();
    for (cert, key, ca, named) in [
        ("empty", "server-key.pem", "ca-cert.pem", "empty"),
        ("server-cert.pem", "empty", "ca-cert.pem", "empty"),
        ("server-cert.pem", "server-key.pem", "none", "none"),
        ("server-cert.pem", "client-key.pem", "ca-cert.pem", "server-cert.pem"),
    ] {
        let error = open(cert, key, ca).unwrap().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nbdinfo_and_nbdcopy_speak_tls_with_certificates() {
    let papers = Papers::new();
    let (_, exports) = images().await;
    let server = Server::start_with(exports, Some(papers.tls(true)));
    let uri = |image: &str| {
        let socket = server.path();
        let papers = papers.0.path().display();
        format!("nbds+unix://localhost/{image}?socket={socket}&tls-certificates={papers}")
    };
    if let Some(told) = super::tools::text("nbdinfo", &[&uri("rbd/a")]).await {
        assert!(told.contains("TLS") && told.contains("base:allocation"), "{told}");
        let from = papers.path("ca-cert.pem");
        let (from, back) = (from.display().to_string(), papers.path("back"));
        super::tools::text("nbdcopy", &[&from, &uri("rbd/a")]).await;
        super::tools::text("nbdcopy", &[&uri("rbd/a"), &back.display().to_string()]).await;
        let (from, back) = (read(Path::new(&from)), read(&back));
        assert!(back.starts_with(&from), "what was copied in comes back");
        let clear = uri("rbd/a").replacen("nbds+unix", "nbd+unix", 1);
        let clear = super::tools::run("nbdinfo", &[&clear]).await.unwrap();
        assert!(!clear.status.success(), "not in clear");
    }
    server.stop().await;
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[tokio::test]
async fn renewed_certificates_are_served_without_a_restart() {
    let (old, new) = (Papers::new(), Papers::new());
    let tls = old.tls(true);
    let met = async |papers: &Papers| {
        let (here, there) = tokio::io::duplex(64 << 10);
        let name = ServerName::try_from("localhost").unwrap();
        let connector = papers.connector(Some("vm1")).connect(name, here);
        // The client is let in once it has read something.
        let (served, used) = tokio::join!(
            async {
                let mut served = tls.accept(there).await?;
                served.write_all(b"x").await?;
                served.flush().await
            },
            async { connector.await?.read_u8().await }
        );
        served.is_ok() && used.is_ok()
    };
    // "client" is the name of vm1's files.
    for papers in [&old, &new] {
        for kind in ["cert", "key"] {
            let from = papers.path(&format!("client-{kind}.pem"));
            std::fs::copy(from, papers.path(&format!("vm1-{kind}.pem"))).unwrap();
        }
    }
    assert!(met(&old).await && !met(&new).await);
    let later = |seconds| std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
    let put = |file: &str, text: &[u8], seconds| {
        std::fs::write(old.path(file), text).unwrap();
        // Coarse clocks: the change must show.
        let file = std::fs::File::options().write(true).open(old.path(file)).unwrap();
        file.set_modified(later(seconds)).unwrap();
    };
    let kept = CertificateDer::from_pem_file(old.path("ca-cert.pem")).unwrap();
    let was = Papers(tempfile::tempdir().unwrap());
    for file in ["ca-cert.pem", "vm1-cert.pem", "vm1-key.pem"] {
        std::fs::copy(old.path(file), was.path(file)).unwrap();
    }
    put("server-cert.pem", b"nonsense", 5);
    tls.look();
    assert!(met(&was).await, "what cannot be read changes nothing");
    put("server-cert.pem", &std::fs::read(new.path("server-cert.pem")).unwrap(), 10);
    tls.look();
    assert!(met(&was).await, "a certificate without its key is not taken");
    for file in ["server-key.pem", "ca-cert.pem"] {
        put(file, &std::fs::read(new.path(file)).unwrap(), 15);
    }
    tls.look();
    assert!(met(&new).await && !met(&was).await);
    assert_ne!(kept, CertificateDer::from_pem_file(old.path("ca-cert.pem")).unwrap());
}
