//! HTTPS in front of the same gateway.

use super::client::Answer;
use crate::config::S3Config;
use crate::server::S3Tls;
use crate::storage::{Secret, Storage, StorageConfig};
use gateway_client::MemoryRados;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

#[tokio::test]
async fn requests_come_through_tls_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["s3.test".to_string()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();

    let config = StorageConfig::default();
    let rados = MemoryRados::new(&[&config.meta_pool, &config.index_pool, &config.data_pool]);
    let storage = Storage::new(rados, config);
    storage
        .user_create("alice", "alice", Some(("alice-key".into(), Secret::new("alice-secret"))))
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = S3Config::new(listener);
    config.tls = Some(S3Tls::open(&cert, &key).unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(crate::serve(config, storage, async {
        let _ = stopped.await;
    }));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    let send = |bytes: Vec<u8>| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("s3.test").unwrap();
            let mut stream = connector.connect(name, stream).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            let mut all = Vec::new();
            // Without a close_notify this is an error: the answer must end in good order.
            stream.read_to_end(&mut all).await.unwrap();
            Answer::parse(&all)
        }
    };
    assert_eq!(send(super::call("PUT", "/bucket").bytes()).await.status, 200);
    assert_eq!(send(super::call("PUT", "/bucket/k").body(vec![7; 300_000]).bytes()).await.status, 200);
    let policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::bucket/*\",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"false\"}}}]}";
    assert_eq!(send(super::call("PUT", "/bucket?policy").body(policy).bytes()).await.status, 204);
    let got = send(super::call("GET", "/bucket/k").bytes()).await;
    assert!(got.status == 200 && got.body == vec![7; 300_000], "it came by a secure way");

    // Who speaks plain HTTP gets no answer, and disturbs nobody.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(&super::call("GET", "/bucket/k").bytes()).await.unwrap();
    let mut answer = Vec::new();
    // It may be reset.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    assert_eq!(send(super::call("HEAD", "/bucket/k").bytes()).await.status, 200);
    let _ = stop.send(());
    server.await.unwrap().unwrap();
}
