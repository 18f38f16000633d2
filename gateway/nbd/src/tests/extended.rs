//! Extended headers, spoken by hand: no tool of Debian's speaks them yet.

use super::wire::Client;
use super::{SIZE, Server, images};
use crate::protocol::words::{command, flag, option};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Wide(Client);

/// A chunk: its flags, kind, cookie, offset and content.
#[derive(Debug, PartialEq, Eq)]
struct Chunk(u16, u16, u64, u64, Vec<u8>);

impl Wide {
    async fn connect(server: &Server, export: &str) -> Wide {
        let mut c = Client::connect(server).await;
        c.option(option::EXTENDED_HEADERS, b"").await;
        assert_eq!(c.kinds().await, [1]);
        let name = [&(export.len() as u32).to_be_bytes()[..], export.as_bytes()].concat();
        let query = [&name[..], &[0, 0, 0, 1, 0, 0, 0, 15], b"base:allocation"].concat();
        c.option(option::SET_META_CONTEXT, &query).await;
        assert_eq!(c.kinds().await, [4, 1]);
        assert_eq!(c.go(export).await, [3, 3, 3, 1]);
        Wide(c)
    }
    async fn request(&mut self, command: u16, flags: u16, cookie: u64, offset: u64, len: u64) {
        let mut head = 0x21e4_1c71u32.to_be_bytes().to_vec();
        head.extend(flags.to_be_bytes());
        head.extend(command.to_be_bytes());
        head.extend([cookie, offset, len].map(u64::to_be_bytes).concat());
        self.0.0.write_all(&head).await.unwrap();
    }
    async fn chunk(&mut self) -> Chunk {
        let s = &mut self.0.0;
        assert_eq!(s.read_u32().await.unwrap(), 0x6e8a_278c);
        let (flags, kind) = (s.read_u16().await.unwrap(), s.read_u16().await.unwrap());
        let (cookie, offset) = (s.read_u64().await.unwrap(), s.read_u64().await.unwrap());
        let mut data = vec![0; s.read_u64().await.unwrap() as usize];
        s.read_exact(&mut data).await.unwrap();
        Chunk(flags, kind, cookie, offset, data)
    }
}

#[tokio::test]
async fn everything_comes_in_wide_chunks_and_lengths_have_64_bits() {
    let (images, exports) = images().await;
    images.create("big", 1 << 40, gateway_block::Layout::new(25).unwrap()).await.unwrap();
    let server = Server::start(exports);
    let mut c = Wide::connect(&server, "rbd/big").await;
    let at = 5 << 30;
    c.request(command::WRITE, flag::PAYLOAD_LEN, 1, at, 4).await;
    c.0.0.write_all(b"wide").await.unwrap();
    assert_eq!(c.chunk().await, Chunk(1, 0, 1, at, vec![]));
    c.request(command::READ, flag::DF, 2, at, 4).await;
    assert_eq!(c.chunk().await, Chunk(1, 1, 2, at, [&at.to_be_bytes()[..], b"wide"].concat()));
    // What does not exist is a single extent of more than 32 bits' worth.
    c.request(command::BLOCK_STATUS, flag::REQ_ONE, 3, 1 << 35, 1 << 34).await;
    let hole = [&[0, 0, 0, 1, 0, 0, 0, 1][..], &(1u64 << 34).to_be_bytes(), &3u64.to_be_bytes()].concat();
    assert_eq!(c.chunk().await, Chunk(1, 6, 3, 1 << 35, hole));
    // 6 GiB in one go, with what was written among it.
    c.request(command::TRIM, 0, 4, 0, 6 << 30).await;
    assert_eq!(c.chunk().await, Chunk(1, 0, 4, 0, vec![]));
    let open = images.open_read_only("big").await.unwrap();
    assert!(open.extents(at, 4, true).await.unwrap()[0].hole);
    // Errors are chunks too, and payloads of what is refused are read past.
    c.request(command::READ, flag::PAYLOAD_LEN, 5, 0, 700).await;
    c.0.0.write_all(&[1; 700]).await.unwrap();
    assert_eq!(c.chunk().await, Chunk(1, 0x8001, 5, 0, vec![0, 0, 0, 22, 0, 0]));
    c.request(command::TRIM, 0, 6, 1, 1 << 40).await;
    assert_eq!(c.chunk().await, Chunk(1, 0x8001, 6, 1, vec![0, 0, 0, 22, 0, 0]));
    c.request(command::FLUSH, 0, 7, 0, 0).await;
    assert_eq!(c.chunk().await, Chunk(1, 0, 7, 0, vec![]));
    // A payload that nobody would read past ends the connection.
    c.request(command::WRITE, flag::PAYLOAD_LEN, 8, 0, 1 << 33).await;
    assert!(c.0.ended().await);
    server.stop().await;
}

#[tokio::test]
async fn compact_heads_are_not_taken_for_extended_ones() {
    let (_, exports) = images().await;
    let server = Server::start(exports);
    let mut c = Wide::connect(&server, "rbd/a").await;
    c.0.request(command::READ, 0, 1, 0, SIZE as u32).await;
    c.0.0.write_all(&[0; 4]).await.unwrap();
    assert!(c.0.ended().await);
    server.stop().await;
}
