//! Whole conversations, broken at random: the server answers or ends, each time, and gives back what it had opened.

use super::images;
use crate::connection;
use crate::protocol::words::{command, flag, option};
use std::time::Duration;
use stdx::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

const CASES: u64 = 3000;

fn put_option(out: &mut Vec<u8>, option: u32, data: &[u8]) {
    out.extend(b"IHAVEOPT");
    out.extend(option.to_be_bytes());
    out.extend((data.len() as u32).to_be_bytes());
    out.extend_from_slice(data);
}

fn put_request(out: &mut Vec<u8>, wide: bool, command: u16, flags: u16, offset: u64, len: u32) {
    out.extend(if wide { 0x21e4_1c71u32 } else { 0x2560_9513 }.to_be_bytes());
    out.extend(flags.to_be_bytes());
    out.extend(command.to_be_bytes());
    out.extend(offset.to_be_bytes());
    out.extend(offset.to_be_bytes());
    match wide {
        true => out.extend(u64::from(len).to_be_bytes()),
        false => out.extend(len.to_be_bytes()),
    }
    if command == command::WRITE {
        out.resize(out.len() + len as usize, 9);
    }
}

/// What a client says that knows what it does.
fn sound(rng: &mut Rng) -> Vec<u8> {
    let mut out = 3u32.to_be_bytes().to_vec();
    let name = b"\0\0\0\x05rbd/a";
    put_option(&mut out, option::LIST, b"");
    let wide = rng.chance(1, 2);
    put_option(&mut out, if wide { option::EXTENDED_HEADERS } else { option::STRUCTURED_REPLY }, b"");
    let contexts = [&name[..], &[0, 0, 0, 1, 0, 0, 0, 15], b"base:allocation"].concat();
    put_option(&mut out, option::SET_META_CONTEXT, &contexts);
    put_option(&mut out, option::GO, &[&name[..], &[0, 0]].concat());
    for _ in 0..rng.below(12) {
        let (offset, len) = (rng.below(1 << 20), rng.below(5000) as u32);
        let (command, flags) = [
            (command::READ, flag::DF),
            (command::WRITE, if wide { flag::PAYLOAD_LEN } else { flag::FUA }),
            (command::FLUSH, 0),
            (command::TRIM, 0),
            (command::CACHE, 0),
            (command::WRITE_ZEROES, flag::FAST_ZERO),
            (command::BLOCK_STATUS, flag::REQ_ONE),
        ][rng.below(7) as usize];
        put_request(&mut out, wide, command, flags, offset, len);
    }
    if rng.chance(1, 2) {
        put_request(&mut out, wide, command::DISCONNECT, 0, 0, 0);
    }
    out
}

fn broken(mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    for _ in 0..rng.below(4) {
        let at = rng.below(bytes.len() as u64) as usize;
        match rng.below(5) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0xff][rng.below(4) as usize],
            2 => bytes.truncate(at.max(1)),
            3 => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, rng.below(256) as u8),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

#[tokio::test]
async fn broken_conversations_end_and_nothing_stays_open() {
    let mut rng = Rng::new(11);
    let (images, exports) = images().await;
    let (_keep, stop) = watch::channel(false);
    let (mut whole, mut cut_short) = (0, 0);
    for case in 0..CASES {
        let bytes = sound(&mut rng);
        let bytes = broken(bytes, &mut rng);
        let (server, client) = tokio::io::duplex(16 << 10);
        let served = tokio::spawn(connection::serve(server, None, exports.clone(), stop.clone()));
        let (mut input, mut output) = tokio::io::split(client);
        let talking = async {
            // The server may leave in the middle.
            let _ = output.write_all(&bytes).await;
            let _ = output.shutdown().await;
        };
        let mut said = Vec::new();
        let both = async { tokio::join!(talking, input.read_to_end(&mut said)) };
        let ended = tokio::time::timeout(Duration::from_secs(60), both).await;
        assert!(ended.is_ok(), "case {case} hangs");
        match served.await.unwrap_or_else(|e| panic!("case {case}: {e}")) {
            Ok(()) => whole += 1,
            Err(_) => cut_short += 1,
        }
        assert!(said.starts_with(b"NBDMAGICIHAVEOPT"));
        if case % 100 == 0 {
            assert_eq!(images.info("a").await.unwrap().holder, None, "case {case}");
        }
    }
    assert!(whole > CASES / 10 && cut_short > CASES / 10, "{whole} went well, {cut_short} did not");
}
