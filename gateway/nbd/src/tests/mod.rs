//! The server over sockets: images in memory, spoken to byte by byte and by the tools that people use.

mod extended;
mod hostile;
mod secure;
mod snapshots;
mod tools;
mod wire;

use crate::server::{Door, serve};
use crate::{Export, ExportError, Exports, Facts, ImageExports, NbdError, NbdTls};
use bytes::Bytes;
use gateway_block::{Extent, Images, Layout, ReadExtent, ZeroMode};
use gateway_client::MemoryRados;
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

const SIZE: u64 = 16 << 20;

/// A server on a Unix socket.
struct Server {
    dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(exports: impl Exports) -> Server {
        Server::start_with(exports, None)
    }
    fn start_with(exports: impl Exports, tls: Option<NbdTls>) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("nbd")).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(Door::Unix(listener), tls, exports, async move {
            let _ = stopped.await;
        }));
        Server { dir, stop: Some(stop), served }
    }
    fn path(&self) -> String {
        self.dir.path().join("nbd").display().to_string()
    }
    fn uri(&self, export: &str) -> String {
        format!("nbd+unix:///{export}?socket={}", self.path())
    }
    fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
    async fn stop(mut self) {
        if self.stop.is_some() {
            self.ask_to_stop();
        }
        self.served.await.unwrap().unwrap();
    }
}

/// Images `a` and `b` in the pool `rbd`, with small objects.
async fn images() -> (Images<MemoryRados>, ImageExports<MemoryRados>) {
    let rados = MemoryRados::new(&["rbd"]);
    let images = Images::new(rados.clone(), "rbd");
    for name in ["a", "b"] {
        images.create(name, SIZE, Layout::of_object_bytes(64 << 10).unwrap()).await.unwrap();
    }
    (images, ImageExports::new(rados, "gateway.0", || vec!["rbd".to_string()]))
}

/// An export whose reads wait until they are let go, and whose writes do not: to see replies overtake each other.
#[derive(Clone, Default)]
struct Gate(Arc<Notify>);

impl Exports for Gate {
    type Export = Gate;
    async fn list(&self) -> Result<Vec<String>, ExportError> {
        Ok(vec!["gate".to_string()])
    }
    async fn info(&self, _: &str) -> Result<Facts, ExportError> {
        Ok(self.facts())
    }
    async fn open(&self, _: &str) -> Result<Arc<Gate>, ExportError> {
        Ok(Arc::new(self.clone()))
    }
    async fn close(&self, _: Arc<Gate>) {}
}

impl Export for Gate {
    fn facts(&self) -> Facts {
        Facts { size: SIZE, read_only: false, block_min: 1, block_preferred: 4096 }
    }
    async fn read(&self, _: u64, len: u64) -> Result<Vec<ReadExtent>, NbdError> {
        self.0.notified().await;
        Ok(vec![ReadExtent::Hole(len)])
    }
    async fn write(&self, _: u64, _: Bytes) -> Result<(), NbdError> {
        Ok(())
    }
    async fn zero(&self, _: u64, _: u64, _: ZeroMode) -> Result<(), NbdError> {
        Ok(())
    }
    async fn flush(&self) -> Result<(), NbdError> {
        Ok(())
    }
    async fn extents(&self, _: u64, len: u64, _: bool) -> Result<Vec<Extent>, NbdError> {
        Ok(vec![Extent { len, hole: true }])
    }
}
