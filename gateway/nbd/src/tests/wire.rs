//! A client of few words: what the server does with each sequence of bytes.

use super::{Gate, SIZE, Server, images};
use crate::protocol::words::{command, flag, option};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub(super) struct Client(pub(super) UnixStream);

impl Client {
    pub(super) async fn connect(server: &Server) -> Client {
        let mut stream = UnixStream::connect(server.path()).await.unwrap();
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"NBDMAGICIHAVEOPT\0\x03");
        stream.write_all(&3u32.to_be_bytes()).await.unwrap();
        Client(stream)
    }
    pub(super) async fn option(&mut self, option: u32, data: &[u8]) {
        let head = [&b"IHAVEOPT"[..], &option.to_be_bytes(), &(data.len() as u32).to_be_bytes()].concat();
        self.0.write_all(&[&head, data].concat()).await.unwrap();
    }
    /// The kinds of replies to one option, up to the one that ends them.
    pub(super) async fn kinds(&mut self) -> Vec<u32> {
        let mut all = Vec::new();
        loop {
            let mut head = [0; 20];
            self.0.read_exact(&mut head).await.unwrap();
            let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
            let mut body = vec![0; word(16) as usize];
            self.0.read_exact(&mut body).await.unwrap();
            all.push(word(12));
            if word(12) == 1 || word(12) >> 31 == 1 {
                return all;
            }
        }
    }
    pub(super) async fn go(&mut self, name: &str) -> Vec<u32> {
        let len = (name.len() as u32).to_be_bytes();
        self.option(option::GO, &[&len, name.as_bytes(), &[0, 0]].concat()).await;
        self.kinds().await
    }
    pub(super) async fn request(&mut self, command: u16, flags: u16, cookie: u64, offset: u64, len: u32) {
        let head = [
            &0x2560_9513u32.to_be_bytes()[..],
            &flags.to_be_bytes(),
            &command.to_be_bytes(),
            &cookie.to_be_bytes(),
            &offset.to_be_bytes(),
            &len.to_be_bytes(),
        ];
        self.0.write_all(&head.concat()).await.unwrap();
    }
    /// Error and cookie of a simple reply.
    pub(super) async fn reply(&mut self) -> (u32, u64) {
        assert_eq!(self.0.read_u32().await.unwrap(), 0x6744_6698);
        (self.0.read_u32().await.unwrap(), self.0.read_u64().await.unwrap())
    }
    pub(super) async fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut data = vec![0; n];
        self.0.read_exact(&mut data).await.unwrap();
        data
    }
    pub(super) async fn ended(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.is_ok_and(|n| n == 0)
    }
}

#[tokio::test]
async fn what_is_written_is_read_by_the_next_client_and_the_lock_is_given_back() {
    let (images, exports) = images().await;
    let server = Server::start(exports);
    let mut c = Client::connect(&server).await;
    assert_eq!(c.go("rbd/none").await, [0x8000_0006]);
    assert_eq!(c.go("elsewhere/a").await, [0x8000_0006]);
    assert_eq!(c.go("rbd/a").await, [3, 3, 3, 1]);
    assert_eq!(images.info("a").await.unwrap().holder.unwrap().owner, "gateway.0");
    // The second client of one server shares the image.
    let mut other = Client::connect(&server).await;
    assert_eq!(other.go("a").await, [3, 3, 3, 1], "the pool rbd need not be said");
    c.request(command::WRITE, flag::FUA, 1, 65_530, 12).await;
    c.0.write_all(b"across edges").await.unwrap();
    assert_eq!(c.reply().await, (0, 1));
    other.request(command::READ, 0, 2, 65_529, 14).await;
    assert_eq!(other.reply().await, (0, 2));
    assert_eq!(other.bytes(14).await, b"\0across edges\0");
    other.request(command::FLUSH, 0, 3, 0, 0).await;
    assert_eq!(other.reply().await, (0, 3));
    for client in [&mut c, &mut other] {
        client.request(command::DISCONNECT, 0, 9, 0, 0).await;
        assert!(client.ended().await);
    }
    server.stop().await;
    assert_eq!(images.info("a").await.unwrap().holder, None);
}

#[tokio::test]
async fn replies_overtake_each_other() {
    let gate = Gate::default();
    let server = Server::start(gate.clone());
    let mut c = Client::connect(&server).await;
    c.go("gate").await;
    c.request(command::READ, 0, 1, 0, 4).await;
    c.request(command::FLUSH, 0, 2, 0, 0).await;
    assert_eq!(c.reply().await, (0, 2), "the read still waits");
    gate.0.notify_one();
    assert_eq!(c.reply().await, (0, 1));
    assert_eq!(c.bytes(4).await, [0; 4]);
    drop(c);
    server.stop().await;
}

#[tokio::test]
async fn bad_requests_get_their_errors_and_the_connection_goes_on() {
    let (_, exports) = images().await;
    let server = Server::start(exports);
    let mut c = Client::connect(&server).await;
    c.go("rbd/a").await;
    let bad = [
        (command::READ, 0, SIZE, 1, 22),
        (command::READ, 0, 0, u32::MAX, 75),
        (command::READ, flag::DF, 0, 512, 22),
        (command::WRITE_ZEROES, 0, SIZE - 1, 2, 28),
        (command::WRITE_ZEROES, flag::NO_HOLE | flag::FAST_ZERO, 0, 512, 95),
        (command::BLOCK_STATUS, 0, 0, 512, 22),
        (77, 0, 0, 512, 22),
    ];
    for (command, flags, offset, len, code) in bad {
        c.request(command, flags, 5, offset, len).await;
        assert_eq!(c.reply().await, (code, 5), "{command} {flags} {offset} {len}");
    }
    // Payloads of what is refused are read past: what follows is found.
    c.request(command::WRITE, 0, 6, SIZE - 1, 700).await;
    c.0.write_all(&[9; 700]).await.unwrap();
    assert_eq!(c.reply().await, (28, 6));
    c.request(command::WRITE, 0, 7, 0, (32 << 20) + 1).await;
    c.0.write_all(&vec![9; (32 << 20) + 1]).await.unwrap();
    assert_eq!(c.reply().await, (75, 7));
    c.request(command::READ, 0, 8, SIZE - 1, 1).await;
    assert_eq!(c.reply().await, (0, 8));
    assert_eq!(c.bytes(1).await, [0]);
    // Not a request: nobody knows where the next begins.
    c.0.write_all(&[0x47; 28]).await.unwrap();
    assert!(c.ended().await);
    server.stop().await;
}

#[tokio::test]
async fn bad_handshakes_end_alone() {
    let (images, exports) = images().await;
    let server = Server::start(exports);
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], b"\0\0\0\x03IHAVEOPT\0\0\0\x07\x7f\xff\xff\xff"]
    {
        let mut stream = UnixStream::connect(server.path()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty() || rest.len() == 18, "a greeting at most");
    }
    // Options that are too long, unknown or senseless are refused, one by one.
    let mut c = Client::connect(&server).await;
    c.option(option::LIST, &vec![0; 100_000]).await;
    assert_eq!(c.kinds().await, [0x8000_0009]);
    c.option(5, b"").await;
    assert_eq!(c.kinds().await, [0x8000_0001]);
    c.option(option::LIST, b"").await;
    assert_eq!(c.kinds().await, [2, 2, 1]);
    // Gone in the middle of an option, of a request, of a payload.
    c.0.write_all(b"IHAVEO").await.unwrap();
    drop(c);
    for cut in [5, 28 + 100] {
        let mut c = Client::connect(&server).await;
        c.go("rbd/a").await;
        let mut bytes =
            [&0x2560_9513u32.to_be_bytes()[..], &[0, 0, 0, 1], &[0; 16], &4096u32.to_be_bytes()].concat();
        bytes.resize(28 + 4096, 7);
        c.0.write_all(&bytes[..cut]).await.unwrap();
    }
    let mut c = Client::connect(&server).await;
    assert_eq!(c.go("rbd/a").await, [3, 3, 3, 1]);
    c.request(command::READ, 0, 1, 0, 512).await;
    c.reply().await;
    assert!(c.bytes(512).await.iter().all(|b| *b == 0), "half a payload is not written");
    drop(c);
    server.stop().await;
    assert_eq!(images.info("a").await.unwrap().holder, None, "vanished clients leave no lock");
}

#[tokio::test]
async fn a_server_that_stops_ends_what_is_under_way_and_refuses_the_rest() {
    let gate = Gate::default();
    let mut server = Server::start(gate.clone());
    let mut c = Client::connect(&server).await;
    c.go("gate").await;
    c.request(command::READ, 0, 1, 0, 4).await;
    c.request(command::FLUSH, 0, 2, 0, 0).await;
    assert_eq!(c.reply().await, (0, 2), "both were taken");
    server.ask_to_stop();
    gate.0.notify_one();
    assert_eq!(c.reply().await, (0, 1));
    c.bytes(4).await;
    assert!(c.ended().await);
    server.stop().await;
}

#[tokio::test]
async fn an_image_that_grew_is_seen_by_who_connects_again() {
    let (images, exports) = images().await;
    let server = Server::start(exports);
    let mut c = Client::connect(&server).await;
    c.go("rbd/a").await;
    images.resize("a", 2 * SIZE, false, "client.admin").await.unwrap();
    images.rename("a", "z").await.unwrap();
    c.request(command::WRITE_ZEROES, 0, 1, SIZE, 512).await;
    assert_eq!(c.reply().await, (28, 1), "this client was told another size");
    let mut again = Client::connect(&server).await;
    assert_eq!(again.go("rbd/z").await, [3, 3, 3, 1], "under its new name");
    again.request(command::WRITE, 0, 1, 2 * SIZE - 3, 3).await;
    again.0.write_all(b"end").await.unwrap();
    assert_eq!(again.reply().await, (0, 1));
    c.request(command::READ, 0, 2, 0, 1).await;
    assert_eq!(c.reply().await, (0, 2), "and the first goes on with the same image");
}

#[tokio::test]
async fn a_client_that_vanishes_in_mid_request_harms_nobody() {
    let (images, exports) = images().await;
    let server = Server::start(exports);
    for cut in [3, 28, 28 + 100] {
        let mut c = Client::connect(&server).await;
        c.go("rbd/a").await;
        let head = [
            &0x2560_9513u32.to_be_bytes()[..],
            &[0; 2],
            &command::WRITE.to_be_bytes(),
            &[7; 8],
            &[0; 8],
            &512u32.to_be_bytes(),
        ];
        let whole = [head.concat(), vec![9; 512]].concat();
        c.0.write_all(&whole[..cut]).await.unwrap();
        drop(c);
    }
    let mut c = Client::connect(&server).await;
    c.go("rbd/a").await;
    c.request(command::READ, 0, 1, 0, 1).await;
    assert_eq!(c.reply().await, (0, 1));
    assert_eq!(c.bytes(1).await, [0], "half a write is none");
    drop(c);
    server.stop().await;
    assert_eq!(images.info("a").await.unwrap().holder, None, "and the lock is given back");
}

#[tokio::test]
async fn what_is_served_to_be_read_is_locked_by_nobody() {
    let (images, exports) = images().await;
    let writer = Server::start(exports.clone());
    let mut w = Client::connect(&writer).await;
    w.go("rbd/a").await;
    w.request(command::WRITE, 0, 1, 0, 3).await;
    w.0.write_all(b"abc").await.unwrap();
    assert_eq!(w.reply().await, (0, 1));
    // Others read beside it.
    let readers = [Server::start(exports.clone().read_only()), Server::start(exports.read_only())];
    for server in &readers {
        let mut c = Client::connect(server).await;
        assert_eq!(c.go("rbd/a").await, [3, 3, 3, 1]);
        c.request(command::READ, 0, 1, 0, 3).await;
        assert_eq!(c.reply().await, (0, 1));
        assert_eq!(c.bytes(3).await, b"abc");
        c.request(command::WRITE_ZEROES, 0, 2, 0, 3).await;
        assert_eq!(c.reply().await, (1, 2), "EPERM");
        c.request(command::TRIM, 0, 3, 0, 3).await;
        assert_eq!(c.reply().await, (1, 3));
    }
    assert_eq!(images.info("a").await.unwrap().holder.unwrap().owner, "gateway.0");
    drop(w);
    writer.stop().await;
    for server in readers {
        server.stop().await;
    }
}
