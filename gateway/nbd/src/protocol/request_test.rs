//! Requests that make sense and those that do not.

use super::handshake::{Headers, Session};
use super::reply::{Status, To};
use super::request::{Command, Request, head_bytes};
use super::words::{REQUEST_BYTES_MAX, command, flag};
use crate::export::{Facts, NbdError};
use bytes::Bytes;
use gateway_block::{Extent, ReadExtent, Span};
use stdx::Rng;

const SIZE: u64 = 1 << 30;
const FACTS: Facts = Facts { size: SIZE, read_only: false, block_min: 1, block_preferred: 4096 };
const ALL: Session = Session { headers: Headers::Structured, allocation: true, difference: false };
const WIDE: Session = Session { headers: Headers::Extended, allocation: true, difference: false };
const PLAIN: Session = Session { headers: Headers::Simple, allocation: false, difference: false };

fn request(command: u16, flags: u16, offset: u64, len: u32) -> Request {
    let len = u64::from(len);
    let payload_len = if command == command::WRITE { len } else { 0 };
    Request { flags, command, cookie: 7, offset, len, payload_len }
}
fn check(command: u16, flags: u16, offset: u64, len: u32) -> Result<Command, NbdError> {
    request(command, flags, offset, len).check(&FACTS, &ALL)
}

#[test]
fn a_head_is_read_as_the_protocol_draws_it() {
    let mut head = [0u8; 28];
    head[..4].copy_from_slice(&[0x25, 0x60, 0x95, 0x13]);
    head[5] = 1;
    head[7] = 1;
    head[15] = 7;
    head[16] = 1;
    head[26] = 2;
    let read = Request::parse(&head, Headers::Structured).unwrap();
    assert_eq!(read, request(command::WRITE, flag::FUA, 1 << 56, 512));
    assert_eq!(read.payload_len, 512);
    head[0] = 0;
    assert!(Request::parse(&head, Headers::Simple).is_err());
}

fn wide(command: u16, flags: u16, offset: u64, len: u64) -> Request {
    let mut head = vec![0x21, 0xe4, 0x1c, 0x71];
    head.extend(flags.to_be_bytes());
    head.extend(command.to_be_bytes());
    head.extend([7u64, offset, len].map(u64::to_be_bytes).concat());
    Request::parse(&head, Headers::Extended).unwrap()
}

#[test]
fn extended_heads_have_lengths_of_64_bits_and_say_whether_a_payload_follows() {
    let facts = Facts { size: 1 << 50, ..FACTS };
    let check = |r: Request| r.check(&facts, &WIDE);
    let write = wide(command::WRITE, flag::PAYLOAD_LEN, 4096, 512);
    assert_eq!((write.cookie, write.offset, write.payload_len), (7, 4096, 512));
    assert_eq!(check(write), Ok(Command::Write));
    assert_eq!(check(wide(command::WRITE, 0, 4096, 512)), Ok(Command::Write), "only one thing can be meant");
    assert_eq!(check(wide(command::TRIM, 0, 0, 1 << 50)), Ok(Command::Trim));
    assert_eq!(check(wide(command::BLOCK_STATUS, 0, 0, 1 << 50)), Ok(Command::Status { one: false }));
    assert_eq!(check(wide(command::READ, 0, 0, 1 << 40)), Err(NbdError::TooLong));
    assert_eq!(check(wide(command::TRIM, 0, 1, 1 << 50)), Err(NbdError::Invalid));
    assert_eq!(check(wide(command::TRIM, 0, 1, u64::MAX)), Err(NbdError::Invalid));
    // A payload where none belongs is read past; one that is too long for that ends the connection.
    let odd = wide(command::READ, flag::PAYLOAD_LEN, 0, 512);
    assert_eq!((check(odd), odd.payload_len, odd.hopeless()), (Err(NbdError::Invalid), 512, false));
    assert!(wide(command::WRITE, flag::PAYLOAD_LEN, 0, 1 << 32).hopeless());
    assert!(!wide(command::TRIM, 0, 0, 1 << 40).hopeless());
    assert_eq!(request(command::WRITE, flag::PAYLOAD_LEN, 0, 9).check(&FACTS, &ALL), Err(NbdError::Invalid));
}

#[test]
fn ranges_have_to_lie_inside() {
    let end = SIZE - 512;
    assert_eq!(check(command::READ, 0, end, 512), Ok(Command::Read { whole: false }));
    for (offset, len) in [(end + 1, 512), (SIZE, 1), (u64::MAX, 512), (u64::MAX - 511, 512)] {
        assert_eq!(check(command::READ, 0, offset, len), Err(NbdError::Invalid));
        assert_eq!(check(command::TRIM, 0, offset, len), Err(NbdError::Invalid));
        assert_eq!(check(command::BLOCK_STATUS, 0, offset, len), Err(NbdError::Invalid));
        assert_eq!(check(command::WRITE, 0, offset, len), Err(NbdError::NoSpace));
        assert_eq!(check(command::WRITE_ZEROES, 0, offset, len), Err(NbdError::NoSpace));
    }
    assert_eq!(check(command::READ, 0, 0, REQUEST_BYTES_MAX), Ok(Command::Read { whole: false }));
    assert_eq!(check(command::READ, 0, 0, REQUEST_BYTES_MAX + 1), Err(NbdError::TooLong));
    assert_eq!(check(command::WRITE, 0, 0, REQUEST_BYTES_MAX + 1), Err(NbdError::TooLong));
    assert_eq!(check(command::TRIM, 0, 0, SIZE as u32), Ok(Command::Trim), "no data, no bound but the end");
    assert_eq!(check(command::BLOCK_STATUS, 0, 0, 0), Err(NbdError::Invalid));
}

#[test]
fn flags_belong_to_their_commands() {
    for c in
        [command::READ, command::WRITE, command::FLUSH, command::TRIM, command::WRITE_ZEROES, command::CACHE]
    {
        assert!(check(c, flag::FUA, 0, 0).is_ok(), "{c}");
        assert_eq!(check(c, 1 << 9, 0, 0), Err(NbdError::Invalid), "{c}");
    }
    assert_eq!(check(command::READ, flag::DF, 0, 9), Ok(Command::Read { whole: true }));
    assert_eq!(request(command::READ, flag::DF, 0, 9).check(&FACTS, &PLAIN), Err(NbdError::Invalid));
    assert_eq!(check(command::WRITE, flag::NO_HOLE, 0, 9), Err(NbdError::Invalid));
    assert_eq!(check(command::WRITE_ZEROES, flag::FAST_ZERO, 0, 9), Ok(Command::Zero { allocate: false }));
    assert_eq!(check(command::WRITE_ZEROES, flag::NO_HOLE, 0, 9), Ok(Command::Zero { allocate: true }));
    let both = flag::NO_HOLE | flag::FAST_ZERO;
    assert_eq!(check(command::WRITE_ZEROES, both, 0, 9), Err(NbdError::Unsupported));
    assert_eq!(check(command::BLOCK_STATUS, flag::REQ_ONE, 0, 9), Ok(Command::Status { one: true }));
    assert_eq!(request(command::BLOCK_STATUS, 0, 0, 9).check(&FACTS, &PLAIN), Err(NbdError::Invalid));
    for unknown in [8, 99, u16::MAX] {
        assert_eq!(check(unknown, 0, 0, 9), Err(NbdError::Invalid));
    }
    assert_eq!(check(command::DISCONNECT, u16::MAX, 9, 9), Ok(Command::Disconnect));
}

#[test]
fn a_read_only_export_refuses_what_writes() {
    let facts = Facts { read_only: true, ..FACTS };
    for c in [command::WRITE, command::TRIM, command::WRITE_ZEROES] {
        assert_eq!(request(c, 0, 0, 512).check(&facts, &ALL), Err(NbdError::Forbidden));
    }
    assert!(request(command::READ, 0, 0, 512).check(&facts, &ALL).is_ok());
}

#[test]
fn whatever_comes_costs_bounded_memory_and_never_panics() {
    let mut rng = Rng::new(1);
    for i in 0..100_000 {
        let headers = if i % 2 == 0 { Headers::Structured } else { Headers::Extended };
        let mut odd = || [0, 1, 2, 3, 6, 7, 8, 0xff][rng.below(8) as usize];
        let mut head: Vec<u8> = (0..head_bytes(headers)).map(|_| odd()).collect();
        let magic = if i % 2 == 0 { [0x25, 0x60, 0x95, 0x13] } else { [0x21, 0xe4, 0x1c, 0x71] };
        head[..4].copy_from_slice(&magic);
        let request = Request::parse(&head, headers).unwrap();
        let _ = request.check(&FACTS, &Session { headers, allocation: i % 3 == 0, difference: i % 5 == 0 });
        assert!(request.memory_bytes() <= REQUEST_BYTES_MAX);
    }
}

#[test]
fn replies_are_laid_out_as_the_protocol_draws_them() {
    let extents = || vec![ReadExtent::Data(Bytes::from_static(b"abc")), ReadExtent::Hole(5)];
    let to = |headers| To { headers, cookie: 7, offset: 2 };
    let simple = to(Headers::Simple).read(extents(), false).concat();
    assert_eq!(simple, b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\0\x07abc\0\0\0\0\0");
    let structured = to(Headers::Structured);
    let whole = structured.read(extents(), true).concat();
    let head = b"\x66\x8e\x33\xef\0\x01\0\x01\0\0\0\0\0\0\0\x07\0\0\0\x10\0\0\0\0\0\0\0\x02";
    assert_eq!(whole, [&head[..], b"abc\0\0\0\0\0"].concat());
    let chunks = structured.read(extents(), false).concat();
    assert_eq!(chunks[4..8], [0, 0, 0, 1], "data, more to come");
    assert_eq!(chunks[31 + 4..31 + 8], [0, 1, 0, 2], "a hole, the last");
    assert_eq!(chunks[31 + 20..], [&5u64.to_be_bytes()[..], &5u32.to_be_bytes()].concat());
    let seen = [Extent { len: 9, hole: true }, Extent { len: 1, hole: false }];
    let status = structured.status(&[Status::allocation(&seen)]).concat();
    assert_eq!(status[20..], [[0, 0, 0, 1], [0, 0, 0, 9], [0, 0, 0, 3], [0, 0, 0, 1], [0; 4]].concat());
    let failed = structured.failed(NbdError::Io, true).concat();
    assert_eq!(failed[4..8], [0, 1, 0x80, 1]);
    assert_eq!(failed[16..], [0, 0, 0, 6, 0, 0, 0, 5, 0, 0]);
    assert_eq!(structured.failed(NbdError::Io, false).concat().len(), 16, "a write's is a simple one");

    let extended = to(Headers::Extended);
    let head = |flags: u8, kind: [u8; 2], len: u64| {
        let start = [0x6e, 0x8a, 0x27, 0x8c, 0, flags, kind[0], kind[1]];
        [&start[..], &7u64.to_be_bytes(), &2u64.to_be_bytes(), &len.to_be_bytes()].concat()
    };
    assert_eq!(extended.done().concat(), head(1, [0, 0], 0), "nothing is simple");
    let failed = extended.failed(NbdError::Io, false).concat();
    assert_eq!(failed, [head(1, [0x80, 1], 6), vec![0, 0, 0, 5, 0, 0]].concat());
    let changed = [Span { len: 7, changed: true }];
    let both = structured.status(&[Status::allocation(&seen), Status::difference(&changed)]);
    assert_eq!(both[0][4..8], [0, 0, 0, 5], "more to come");
    assert_eq!(both[1][4..8], [0, 1, 0, 5]);
    assert_eq!(both[1][20..], [[0, 0, 0, 2], [0, 0, 0, 7], [0, 0, 0, 1]].concat());
    let status = extended.status(&[Status::allocation(&seen)]).concat();
    let rows = [9u64, 3, 1, 0].map(u64::to_be_bytes).concat();
    assert_eq!(status, [head(1, [0, 6], 40), vec![0, 0, 0, 1, 0, 0, 0, 2], rows].concat());
    let data = extended.read(vec![ReadExtent::Data(Bytes::from_static(b"abc"))], false).concat();
    assert_eq!(data, [head(1, [0, 1], 11), 2u64.to_be_bytes().to_vec(), b"abc".to_vec()].concat());
}
