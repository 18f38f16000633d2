//! A gateway on a port of its own, with two users.

use super::client::{Answer, Call};
use crate::access_log::AccessLog;
use crate::config::S3Config;
use crate::storage::{Secret, Storage, StorageConfig};
use gateway_client::MemoryRados;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running gateway.
pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) rados: MemoryRados,
    pub(super) storage: Storage<MemoryRados>,
    pub(super) sigv2: Arc<AtomicBool>,
    pub(super) access_log: Arc<AccessLog>,
    pub(super) usage_log: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

impl World {
    /// One with the users `alice` (whose key calls use unless they say otherwise) and `bob`, and alice's bucket
    /// `bucket`.
    pub(super) async fn start() -> World {
        World::start_with(|_| {}).await
    }

    /// One whose storage is set up otherwise.
    pub(super) async fn start_with(change: impl FnOnce(&mut StorageConfig)) -> World {
        let mut config = StorageConfig::default();
        change(&mut config);
        let pools = [&config.meta_pool, &config.index_pool, &config.data_pool, "s3.cold", "s3.colder"];
        let rados = MemoryRados::new(&pools);
        let storage = Storage::new(rados.clone(), config);
        for user in ["alice", "bob"] {
            let key = (format!("{user}-key"), Secret::new(format!("{user}-secret")));
            storage.user_create(user, user, Some(key)).await.unwrap();
        }
        let world = World::serve(rados, storage).await;
        assert_eq!(world.send("PUT", "/bucket").await.status, 200);
        world
    }

    /// Another gateway of the same cluster.
    pub(super) async fn resume(rados: MemoryRados) -> World {
        let storage = Storage::new(rados.clone(), StorageConfig::default());
        World::serve(rados, storage).await
    }

    async fn serve(rados: MemoryRados, storage: Storage<MemoryRados>) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = S3Config::new(listener);
        config.domains.push("s3.test".into());
        config.website_domains.write().unwrap().push("web.test".into());
        let (sigv2, access_log) = (config.sigv2.clone(), config.access_log.clone());
        let usage_log = config.usage_log.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let kept = storage.clone();
        let server = tokio::spawn(crate::serve(config, storage, async {
            let _ = stopped.await;
        }));
        World {
            address,
            rados,
            storage: kept,
            sigv2,
            access_log,
            usage_log,
            stop: Some(stop),
            server: Some(server),
        }
    }

    /// Sends a call without a body.
    pub(super) async fn send(&self, method: &str, target: &str) -> Answer {
        self.call(super::call(method, target)).await
    }
    /// Puts an object and says its ETag, unquoted.
    pub(super) async fn put(&self, target: &str, body: &[u8]) -> String {
        let answer = self.call(super::call("PUT", target).body(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("etag").trim_matches('"').to_string()
    }
    /// The body of an object, which must exist.
    pub(super) async fn get(&self, target: &str) -> Vec<u8> {
        let answer = self.send("GET", target).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
    /// Sends a call.
    pub(super) async fn call(&self, call: Call) -> Answer {
        call.send(self.address).await
    }

    /// Ends the gateway in good order.
    pub(super) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(server) = self.server.take() {
            server.await.unwrap().unwrap();
        }
    }
}
