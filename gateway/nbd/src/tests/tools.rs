//! The tools that people use: libnbd's and QEMU's. A tool that is not installed is named and passed over.

use super::{SIZE, Server, images};
use std::process::Output;
use tokio::process::Command;

/// Runs a tool; none if it is not installed (Debian: libnbd-bin, qemu-utils).
pub(super) async fn run(tool: &str, words: &[&str]) -> Option<Output> {
    match Command::new(tool).args(words).output().await {
        Ok(output) => Some(output),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{tool} is not installed; that part is not tested");
            None
        }
        Err(e) => panic!("{tool}: {e}"),
    }
}

pub(super) async fn text(tool: &str, words: &[&str]) -> Option<String> {
    let out = run(tool, words).await?;
    let both = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{tool} {words:?}: {}\n{both}", out.status);
    Some(both)
}

/// Bytes that differ from place to place, with holes.
fn content() -> Vec<u8> {
    let mut rng = stdx::Rng::new(3);
    let mut data = vec![0; SIZE as usize];
    for chunk in data.chunks_mut(300_000).step_by(3) {
        chunk.iter_mut().for_each(|b| *b = rng.below(256) as u8);
    }
    data
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libnbd_finds_its_way() {
    let (_, exports) = images().await;
    let server = Server::start(exports);
    if let Some(list) = text("nbdinfo", &["--list", &server.uri("")]).await {
        assert!(list.contains("export=\"rbd/a\"") && list.contains("export=\"rbd/b\""), "{list}");
        let a = server.uri("rbd/a");
        let told = text("nbdinfo", &[&a]).await.unwrap();
        for fact in ["structured packets", "can_multi_conn: true", "can_fua: true", "can_fast_zero: true"] {
            assert!(told.contains(fact), "{fact}: {told}");
        }
        assert!(told.contains("base:allocation") && told.contains("block_size_maximum: 33554432"), "{told}");
        assert_eq!(text("nbdinfo", &["--size", &a]).await.unwrap().trim(), SIZE.to_string());
        let map = text("nbdinfo", &["--map", &a]).await.unwrap();
        assert!(map.contains("hole,zero") && map.lines().count() == 1, "{map}");
        let none = run("nbdinfo", &[&server.uri("rbd/none")]).await.unwrap();
        assert!(!none.status.success());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nbdcopy_copies_in_out_and_across() {
    let (images, exports) = images().await;
    let server = Server::start(exports);
    let (from, to) = (server.dir.path().join("from"), server.dir.path().join("to"));
    std::fs::write(&from, content()).unwrap();
    let (from, to) = (from.display().to_string(), to.display().to_string());
    let (a, b) = (server.uri("rbd/a"), server.uri("rbd/b"));
    if text("nbdcopy", &["--flush", &from, &a]).await.is_some() {
        text("nbdcopy", &[&a, &b]).await;
        text("nbdcopy", &[&b, &to]).await;
        assert!(std::fs::read(&to).unwrap() == content());
        let used = images.usage("b").await.unwrap().used;
        assert!(used < SIZE / 2, "holes stay holes: {used}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn qemu_converts_compares_and_checks_patterns() {
    let (images, exports) = images().await;
    let server = Server::start(exports);
    let from = server.dir.path().join("from");
    std::fs::write(&from, content()).unwrap();
    let (from, a) = (from.display().to_string(), server.uri("rbd/a"));
    let convert = ["convert", "-n", "-f", "raw", "-O", "raw", &from, &a];
    if text("qemu-img", &convert).await.is_some() {
        text("qemu-img", &["compare", "-f", "raw", "-F", "raw", &from, &a]).await;
        let script = [
            "-f",
            "raw",
            "-c",
            "write -P 7 513 70000",
            "-c",
            "read -P 7 513 70000",
            "-c",
            "write -z 1000 500",
            "-c",
            "read -P 0 1000 500",
            "-c",
            "read -P 7 1500 1000",
            "-c",
            "write -f -P 9 1M 2M",
            "-c",
            "discard 1M 2M",
            "-c",
            "read -P 0 1M 2M",
            "-c",
            "write -z -u 3M 1M",
            "-c",
            "flush",
            "-c",
            "read 16777215 1",
            &a,
        ];
        let said = text("qemu-io", &script).await.unwrap();
        assert!(!said.contains("failed"), "{said}");
        // Whole objects of the discarded range are gone.
        let open = images.open_read_only("a").await.unwrap();
        assert!(open.extents(1 << 20, 2 << 20, false).await.unwrap().iter().all(|e| e.hole));
    }
    server.stop().await;
}
