//! Vault as the keeper of SSE-KMS keys, played by a server that speaks the few words of it that are used.

use super::*;
use crate::storage::VaultSettings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

const SSE: &str = "x-amz-server-side-encryption";
const KMS: &str = "x-amz-server-side-encryption-aws-kms-key-id";

/// What the server knows and does.
#[derive(Default)]
struct Inner {
    token: String,
    /// Plain keys by what they are wrapped as.
    wrapped: BTreeMap<String, String>,
    /// What all requests are answered with, if it is not 0.
    status: u16,
    paths: Vec<String>,
}

#[derive(Clone, Default)]
struct FakeVault(Arc<Mutex<Inner>>);

impl FakeVault {
    fn set(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.lock().unwrap());
    }

    fn answer(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let mut inner = self.0.lock().unwrap();
        inner.paths.push(path.to_string());
        let no = |status, why: &str| (status, json!({ "errors": [why] }));
        if inner.status != 0 {
            return no(inner.status, "Vault is sealed");
        }
        if token != inner.token {
            return no(403, "permission denied");
        }
        if let Some(id) = path.strip_prefix("/v1/team/transit/datakey/plaintext/") {
            if id != "mine" {
                return no(400, "encryption key not found");
            }
            let n = inner.wrapped.len() as u8;
            let (plain, sealed) = (STANDARD.encode([n + 1; 32]), format!("vault:v1:{n}"));
            inner.wrapped.insert(sealed.clone(), plain.clone());
            return (200, json!({ "data": { "plaintext": plain, "ciphertext": sealed } }));
        }
        if path == "/v1/team/transit/decrypt/mine" {
            let found = inner.wrapped.get(body["ciphertext"].as_str().unwrap_or(""));
            return match found {
                Some(plain) => (200, json!({ "data": { "plaintext": plain } })),
                None => no(400, "invalid ciphertext"),
            };
        }
        no(404, "no handler for route")
    }

    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let vault = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let vault = vault.clone();
                let service = hyper::service::service_fn(move |rq: Request<hyper::body::Incoming>| {
                    let vault = vault.clone();
                    async move {
                        let header = |name: &str| {
                            rq.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_string()
                        };
                        let (token, space) = (header("x-vault-token"), header("x-vault-namespace"));
                        assert_eq!((rq.method().as_str(), space.as_str()), ("POST", "team"));
                        let path = rq.uri().path().to_string();
                        let body = rq.into_body().collect().await.unwrap().to_bytes();
                        let body = serde_json::from_slice(&body).unwrap();
                        let (status, answer) = vault.answer(&path, &token, &body);
                        let body = Full::new(Bytes::from(answer.to_string()));
                        Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        address
    }
}

fn write_token(dir: &tempfile::TempDir, token: &str) -> std::path::PathBuf {
    let file = dir.path().join("token");
    std::fs::write(&file, token).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[tokio::test]
async fn objects_keys_are_vaults() {
    let (w, vault, dir) = (World::start().await, FakeVault::default(), tempfile::tempdir().unwrap());
    vault.set(|v| v.token = "s.first".into());
    let settings = VaultSettings {
        address: vault.serve().await,
        prefix: "/v1/team/transit".into(),
        token_file: write_token(&dir, "s.first\n"),
        namespace: "team".into(),
        ca_file: None,
        seals: true,
    };
    w.storage.set_vault(Some(settings.clone()));
    let named = |key: &str, id: &str| {
        let call = call("PUT", &format!("/bucket/{key}")).header(SSE, "aws:kms").header(KMS, id);
        call.body(b"attack at dawn".repeat(5000))
    };
    let put = w.call(named("k", "mine")).await;
    assert_eq!((put.status, put.header(SSE), put.header(KMS)), (200, "aws:kms", "mine"), "{put:?}");
    assert_eq!(w.get("/bucket/k").await, b"attack at dawn".repeat(5000));
    vault.set(|v| {
        assert_eq!(v.paths, ["/v1/team/transit/datakey/plaintext/mine", "/v1/team/transit/decrypt/mine"])
    });
    let gone = (400, "KMS.NotFoundException".to_string());
    for id in ["yours", "..", "a/b", "../x", "%2e"] {
        assert_eq!(w.call(named("x", id)).await.refusal(), gone, "{id}");
    }
    // Uploads and copies go the same way, and SSE-S3 does not.
    let copy = call("PUT", "/bucket/c").header("x-amz-copy-source", "bucket/k").header(SSE, "AES256");
    assert_eq!(w.call(copy).await.status, 200);
    let begun = w.call(call("POST", "/bucket/m?uploads").header(SSE, "aws:kms").header(KMS, "mine")).await;
    let part = format!("/bucket/m?partNumber=1&uploadId={}", begun.one("UploadId"));
    assert_eq!(w.call(call("PUT", &part).body("x")).await.status, 200);

    // A token that was replaced is read again at once.
    vault.set(|v| v.token = "s.second".into());
    let refused = w.send("GET", "/bucket/k").await;
    assert_eq!(refused.refusal(), (403, "AccessDenied".into()));
    assert!(!refused.text().contains("s.first") && !refused.text().contains("token"), "{refused:?}");
    write_token(&dir, "s.second");
    assert_eq!(w.send("GET", "/bucket/k").await.status, 200);

    // Sealed, or away: later it is as it was.
    vault.set(|v| v.status = 503);
    let away = (503, "ServiceUnavailable".to_string());
    assert_eq!(w.send("GET", "/bucket/k").await.refusal(), away);
    assert_eq!(w.call(named("k", "mine")).await.refusal(), away);
    assert_eq!(w.send("GET", "/bucket/c").await.status, 200, "its key is the cluster's own");
    vault.set(|v| v.status = 0);
    assert_eq!(w.send("GET", "/bucket/k").await.status, 200);
    let none = VaultSettings { address: "http://127.0.0.1:9".into(), ..settings.clone() };
    w.storage.set_vault(Some(none));
    assert_eq!(w.send("GET", "/bucket/k").await.refusal(), away);
    w.storage.set_vault(Some(VaultSettings { address: "nonsense".into(), ..settings.clone() }));
    assert_eq!(w.call(named("k", "mine")).await.refusal(), away);

    // Its keys are made here again; those of Vault's still open.
    w.storage.set_vault(Some(VaultSettings { seals: false, ..settings }));
    assert_eq!(w.call(named("x", "mine")).await.refusal(), gone);
    w.storage.set_kms_keys(vec!["mine".into()]);
    assert_eq!(w.call(named("x", "mine")).await.status, 200);
    assert_eq!(w.send("GET", "/bucket/k").await.status, 200);
    w.storage.set_vault(None);
    assert_eq!(w.send("GET", "/bucket/x").await.status, 200);
    assert_eq!(w.send("GET", "/bucket/k").await.refusal(), away);
    w.stop().await;
}
