//! `nacre nbd serve`: the images of a cluster over NBD, by a daemon of its own.

use super::nbd_door::NbdDoor;
use crate::cli::{Global, NbdServeArgs};
use crate::exit::{Context, Failure};
use crate::{session, shutdown};
use gateway_client::Client;
use gateway_nbd::{Door, ImageExports};
use placement_map::PoolKind;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::{TcpListener, UnixListener};

/// Pools with images carry this application.
const APPLICATION: &str = "rbd";

/// Serves until a signal asks to stop, then lets requests under way end.
pub(crate) async fn serve(global: &Global, args: &NbdServeArgs) -> Result<(), Failure> {
    let (door, owner) = match &args.unix {
        Some(path) => (open_unix(path)?, owner(&path.display())?),
        None => (open(args.listen, &args.door).await?, owner(&args.listen)?),
    };
    let (tls, rules) = (args.door.tls()?, args.door.rules()?);
    let asked = shutdown::asked()?;
    tokio::pin!(asked);
    let client = tokio::select! {
        client = session::open(global) => client?,
        () = &mut asked => return Ok(()),
    };
    tracing::info!(%owner, "serving NBD");
    let exports = exports(&client, owner).with_rules(rules);
    let exports = if args.read_only { exports.read_only() } else { exports };
    let served = gateway_nbd::serve(door, tls, exports, asked).await;
    if let Some(path) = &args.unix {
        let _ = std::fs::remove_file(path);
    }
    served.or_unusable("NBD")
}

/// What names this server in the locks: where it listens, for people, and a number of this run. Servers of several hosts
/// listen at the same address, and who has the same name takes an image over at once.
fn owner(door: &impl Display) -> Result<String, Failure> {
    let drawn = getrandom::u64().or_unusable("no entropy")?;
    Ok(format!("nbd@{door}.{drawn:x}"))
}

/// Listens on TCP; off loopback only if clients are known there, or that is meant.
pub(crate) async fn open(addr: SocketAddr, guard: &NbdDoor) -> Result<Door, Failure> {
    guard.check(addr)?;
    TcpListener::bind(addr).await.map(Door::Tcp).or_unusable(format!("cannot serve NBD on {addr}"))
}

fn open_unix(path: &Path) -> Result<Door, Failure> {
    // What a server that was killed left there is nobody's; a socket that answers is somebody's.
    if std::os::unix::net::UnixStream::connect(path).is_err() && is_socket(path) {
        std::fs::remove_file(path).or_unusable(path.display())?;
    }
    let listener = UnixListener::bind(path).or_unusable(format!("cannot serve NBD on {}", path.display()))?;
    Ok(Door::Unix(listener))
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket())
}

/// The images of all pools that are for images, as of each question.
pub(crate) fn exports(client: &Client, owner: String) -> ImageExports<Client> {
    let of = client.clone();
    ImageExports::new(client.clone(), owner, move || {
        let map = of.map();
        // Of an erasure-coded pool only the data of images is there, which lie in another pool by name.
        let images = |p: &placement_map::Pool| {
            p.kind == PoolKind::Replicated && (p.application == APPLICATION || p.application.is_empty())
        };
        map.pools.values().filter(|p| images(p)).map(|p| p.name.clone()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_at_the_same_door_are_not_taken_for_one() {
        let door: SocketAddr = "127.0.0.1:10809".parse().unwrap();
        let (one, other) = (owner(&door).unwrap(), owner(&door).unwrap());
        assert!(one.starts_with("nbd@127.0.0.1:10809.") && one != other, "{one} {other}");
    }
}
