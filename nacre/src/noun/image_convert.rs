//! Formats other than raw, and other NBD servers: qemu-img reads or writes them, and the image itself over an NBD door
//! of our own that only this user reaches.

use super::nbd;
use crate::exit::{Context, Failure};
use gateway_client::Client;
use gateway_nbd::Door;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::net::UnixListener;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How an image lies in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// Byte for byte.
    Raw,
    /// QEMU's.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// Hyper-V's.
    Vhdx,
}

impl Shape {
    /// As qemu-img names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Shape::Raw => "raw",
            Shape::Qcow2 => "qcow2",
            Shape::Vmdk => "vmdk",
            Shape::Vhdx => "vhdx",
        }
    }
}

/// The format of a file by its first bytes. Of a pipe nothing may be taken; what comes by one is raw.
pub(super) fn shape_of(path: &Path) -> std::io::Result<Shape> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(Shape::Raw);
    }
    let mut start = Vec::new();
    std::fs::File::open(path)?.take(8).read_to_end(&mut start)?;
    Ok(match start.as_slice() {
        [b'Q', b'F', b'I', 0xfb, ..] => Shape::Qcow2,
        [b'K', b'D', b'M', b'V', ..] => Shape::Vmdk,
        b"vhdxfile" => Shape::Vhdx,
        _ => Shape::Raw,
    })
}

/// An NBD door in a folder of its own, for the length of one command.
pub(super) struct Bridge {
    dir: PathBuf,
    // Dropped, it ends the server.
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Only what was put there; a folder that stays is empty.
        let _ = std::fs::remove_file(self.dir.join("nbd"));
        let _ = std::fs::remove_dir(&self.dir);
    }
}

impl Bridge {
    /// Opens it.
    pub(super) fn open(client: &Client, owner: &str, read_only: bool) -> Result<Bridge, Failure> {
        let drawn = getrandom::u64().or_unusable("no entropy")?;
        let dir = std::env::temp_dir().join(format!("nacre-{drawn:016x}"));
        std::fs::DirBuilder::new().mode(0o700).create(&dir).or_unusable(dir.display())?;
        let listener = UnixListener::bind(dir.join("nbd"));
        let (stop, stopped) = oneshot::channel::<()>();
        let mut bridge = Bridge { dir, stop: Some(stop), served: None };
        let listener = listener.or_unusable(bridge.dir.display())?;
        let exports = nbd::exports(client, owner.to_string());
        let exports = if read_only { exports.read_only() } else { exports };
        bridge.served =
            Some(tokio::spawn(gateway_nbd::serve(Door::Unix(listener), None, exports, async move {
                // Also when whoever would tell is gone.
                let _ = stopped.await;
            })));
        Ok(bridge)
    }

    /// Closes it, and gives back the locks of the images that were used.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        self.stop.take();
        match self.served.take() {
            Some(served) => served.await.or_unusable("NBD")?.or_unusable("NBD"),
            None => Ok(()),
        }
    }

    /// The URI of an export.
    pub(super) fn uri(&self, export: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/@".contains(&b);
        let name: String = export
            .bytes()
            .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect();
        format!("nbd+unix:///{name}?socket={}", self.dir.join("nbd").display())
    }

    /// `qemu-img convert`, with its own progress on a terminal.
    pub(super) async fn convert(&self, words: &[&str]) -> Result<(), Failure> {
        let mut command = Command::new("qemu-img");
        command.arg("convert").args(words).stdin(Stdio::null()).kill_on_drop(true);
        if std::io::stderr().is_terminal() {
            command.arg("-p");
        } else {
            command.stdout(Stdio::null());
        }
        let status = command.status().await.map_err(not_there)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::unusable(format!("qemu-img convert ended with {status}; nothing was kept")))
    }

    /// Bytes that the users of a file or export see. A file that leads to others is refused: whoever made it would
    /// choose which files of this host are read.
    pub(super) async fn virtual_size(&self, from: &str, shape: Shape) -> Result<u64, Failure> {
        let mut command = Command::new("qemu-img");
        command.args(["info", "--output=json", "-f", shape.name(), from]).stdin(Stdio::null());
        let out = command.output().await.map_err(not_there)?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            return Err(Failure::unusable(format!("qemu-img cannot read {from}: {}", said.trim())));
        }
        let facts: serde_json::Value = serde_json::from_slice(&out.stdout).or_unusable("qemu-img info")?;
        let leads = facts["backing-filename"].is_string()
            || facts["format-specific"]["data"]["data-file"].is_string();
        if leads {
            return Err(Failure::no(format!(
                "{from} takes data from another file; make it whole with `qemu-img convert` first"
            )));
        }
        facts["virtual-size"]
            .as_u64()
            .filter(|size| *size > 0)
            .ok_or_else(|| Failure::no(format!("{from} is empty")))
    }
}

fn not_there(e: std::io::Error) -> Failure {
    Failure::unusable(format!("qemu-img (Debian's package qemu-utils) cannot be started: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_how_they_begin() {
        let path = std::env::temp_dir().join(format!("nacre-shape-{}", std::process::id()));
        for (start, shape) in [
            (&b"QFI\xfb\0\0\0\x03"[..], Shape::Qcow2),
            (b"KDMV\x01\0\0\0", Shape::Vmdk),
            (b"vhdxfile", Shape::Vhdx),
            (b"", Shape::Raw),
            (b"\0\0\0\0\0\0\0\0\0", Shape::Raw),
        ] {
            std::fs::write(&path, start).unwrap();
            assert_eq!(shape_of(&path).unwrap(), shape);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
