//! The handshake, option by option, with everything that a client may get wrong.

use super::handshake::{Handshake, HandshakeError, Headers, Session, Step, Tls, greeting};
use super::option_bytes::OptionHead;
use super::words::{OPTION_SKIP_MAX, can, option};
use crate::export::{ExportError, Facts};

const FACTS: Facts = Facts { size: 1 << 20, read_only: false, block_min: 1, block_preferred: 4096 };
const UNSUP: u32 = 0x8000_0001;
const POLICY: u32 = 0x8000_0002;
const INVALID: u32 = 0x8000_0003;
const UNKNOWN: u32 = 0x8000_0006;

fn begin() -> Handshake {
    Handshake::begin(3, Tls::Absent).unwrap()
}
fn text(s: &str) -> Vec<u8> {
    [&(s.len() as u32).to_be_bytes()[..], s.as_bytes()].concat()
}
fn go(name: &str) -> Vec<u8> {
    [text(name), vec![0, 1, 0, 3]].concat()
}
fn contexts(name: &str, queries: &[&str]) -> Vec<u8> {
    let mut out = [text(name), (queries.len() as u32).to_be_bytes().to_vec()].concat();
    queries.iter().for_each(|q| out.extend(text(q)));
    out
}
/// The replies in what was sent: (option, kind, body).
fn replies(mut sent: &[u8]) -> Vec<(u32, u32, Vec<u8>)> {
    let word = |b: &[u8], at: usize| u32::from_be_bytes(b[at..at + 4].try_into().unwrap());
    let mut all = Vec::new();
    while !sent.is_empty() {
        assert_eq!(sent[..8], [0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9]);
        let len = word(sent, 16) as usize;
        all.push((word(sent, 8), word(sent, 12), sent[20..20 + len].to_vec()));
        sent = &sent[20 + len..];
    }
    all
}
fn sent(step: Step) -> Vec<(u32, u32, Vec<u8>)> {
    match step {
        Step::Send(bytes) => replies(&bytes),
        other => panic!("{other:?}"),
    }
}
fn kinds(step: Step) -> Vec<u32> {
    sent(step).into_iter().map(|(_, kind, _)| kind).collect()
}

#[test]
fn the_greeting_is_the_fixed_newstyle_one() {
    assert_eq!(&greeting(), b"NBDMAGICIHAVEOPT\0\x03");
    for bad in [0, 2, 4 | 1, u32::MAX] {
        assert_eq!(Handshake::begin(bad, Tls::Absent).unwrap_err(), HandshakeError::Flags(bad));
    }
}

#[test]
fn what_does_not_begin_as_an_option_ends_the_connection() {
    let mut head = *b"IHAVEOPT\0\0\0\x03\0\0\0\0";
    assert_eq!(OptionHead::parse(&head).unwrap(), OptionHead { option: 3, len: 0 });
    head[0] = b'G';
    assert!(matches!(OptionHead::parse(&head), Err(HandshakeError::Magic(_))));
    head[0] = b'I';
    head[12..].copy_from_slice(&(OPTION_SKIP_MAX + 1).to_be_bytes());
    assert!(matches!(OptionHead::parse(&head), Err(HandshakeError::TooLong(_))));
    head[12..].copy_from_slice(&OPTION_SKIP_MAX.to_be_bytes());
    assert!(OptionHead::parse(&head).unwrap().too_big());
    assert_eq!(replies(&begin().refuse_big(7))[0].1, 0x8000_0009);
}

#[test]
fn unknown_options_are_refused_and_the_handshake_goes_on() {
    let mut h = begin();
    for unknown in [0, 4, 99, u32::MAX] {
        assert_eq!(kinds(h.option(unknown, b"anything")), [UNSUP], "{unknown}");
    }
    assert_eq!(kinds(h.option(option::STARTTLS, b"")), [UNSUP], "without a certificate");
    assert_eq!(kinds(h.option(option::STRUCTURED_REPLY, b"")), [1]);
    assert_eq!(h.option(option::GO, &go("rbd/a")), Step::Info { name: "rbd/a".into(), go: true });
}

#[test]
fn senseless_data_is_refused_at_every_cut() {
    let mut h = begin();
    let whole = go("rbd/a");
    for n in 0..whole.len() {
        assert_eq!(kinds(h.option(option::GO, &whole[..n])), [INVALID], "cut at {n}");
    }
    assert_eq!(kinds(h.option(option::INFO, &[whole.clone(), vec![0]].concat())), [INVALID]);
    assert_eq!(
        kinds(h.option(option::GO, &[&[0, 0, 0, 1, 0xff][..], &[0, 0]].concat())),
        [INVALID],
        "no UTF-8"
    );
    assert_eq!(kinds(h.option(option::GO, &go(&"x".repeat(4097)))), [INVALID], "a name too long");
    assert_eq!(kinds(h.option(option::LIST, b"x")), [INVALID]);
    assert_eq!(kinds(h.option(option::STRUCTURED_REPLY, b"x")), [INVALID]);
    h.option(option::STRUCTURED_REPLY, b"");
    let whole = contexts("a", &["base:allocation", "base:"]);
    for n in 0..whole.len() {
        assert_eq!(kinds(h.option(option::SET_META_CONTEXT, &whole[..n])), [INVALID], "cut at {n}");
    }
    let endless = [text("a"), u32::MAX.to_be_bytes().to_vec()].concat();
    assert_eq!(kinds(h.option(option::LIST_META_CONTEXT, &endless)), [INVALID]);
}

#[test]
fn block_status_is_for_the_export_it_was_chosen_for() {
    let mut h = begin();
    let all = contexts("a", &["base:allocation"]);
    assert_eq!(kinds(h.option(option::SET_META_CONTEXT, &all)), [INVALID], "before structured replies");
    h.option(option::STRUCTURED_REPLY, b"");
    let set = sent(h.option(option::SET_META_CONTEXT, &all));
    assert_eq!(set[0], (10, 4, b"\0\0\0\x01base:allocation".to_vec()));
    assert_eq!(set[1].1, 1);
    assert_eq!(h.session("a"), Session { headers: Headers::Structured, allocation: true, difference: false });
    assert_eq!(
        h.session("b"),
        Session { headers: Headers::Structured, allocation: false, difference: false }
    );
    assert_eq!(kinds(h.option(option::LIST_META_CONTEXT, &contexts("a", &["base:"]))), [4, 1]);
    assert_eq!(kinds(h.option(option::LIST_META_CONTEXT, &contexts("a", &["qemu:"]))), [1]);
    assert!(h.session("a").allocation, "listing chooses nothing");
    assert_eq!(kinds(h.option(option::SET_META_CONTEXT, &contexts("a", &["qemu:dirty-bitmap:x"]))), [1]);
    assert!(!h.session("a").allocation, "each choice replaces the one before");
}

#[test]
fn differences_from_snapshots_are_contexts() {
    let mut h = begin();
    h.option(option::STRUCTURED_REPLY, b"");
    let snapshots = Ok(vec!["mon".to_string(), "tue".to_string()]);
    let mut ask = |option: u32, queries: &[&str]| {
        let Step::Contexts { option, name, queries } = h.option(option, &contexts("a", queries)) else {
            panic!("{queries:?} needs no answer of the exports");
        };
        let told = replies(&h.answer_contexts(option, &name, &queries, &snapshots));
        let names: Vec<String> = told
            .iter()
            .filter(|(_, kind, _)| *kind == 4)
            .map(|(_, _, body)| format!("{} {}", body[3], String::from_utf8_lossy(&body[4..])))
            .collect();
        (names, h.session("a"), h.since("a"))
    };
    let all = ["0 base:allocation", "0 nacre:diff:mon", "0 nacre:diff:tue"];
    assert_eq!(ask(option::LIST_META_CONTEXT, &[]).0, all);
    assert_eq!(ask(option::LIST_META_CONTEXT, &["nacre:"]).0, all[1..]);
    assert_eq!(ask(option::LIST_META_CONTEXT, &["nacre:diff:"]).0, all[1..]);
    assert_eq!(ask(option::LIST_META_CONTEXT, &["nacre:diff:tue"]).0, all[2..]);
    let (names, session, since) = ask(option::SET_META_CONTEXT, &["base:allocation", "nacre:diff:tue"]);
    assert_eq!(names, ["1 base:allocation", "2 nacre:diff:tue"]);
    assert_eq!((session.allocation, session.difference, since.as_deref()), (true, true, Some("tue")));
    let (names, session, since) = ask(option::SET_META_CONTEXT, &["nacre:diff:none", "nacre:"]);
    assert_eq!((names.len(), session.difference, since), (0, false, None), "there is none of that name");
    let query = ["nacre:diff:x".to_string()];
    let refused = h.answer_contexts(10, "a", &query, &Err(ExportError::Unknown("no".into())));
    assert_eq!(replies(&refused)[0].1, UNKNOWN);
    assert_eq!(h.since("b"), None);
}

#[test]
fn facts_and_refusals_are_told() {
    let mut h = begin();
    let told = replies(&h.answer_info("a", true, &Ok(FACTS)));
    let kinds: Vec<u32> = told.iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(kinds, [3, 3, 3, 1]);
    let flags = |body: &[u8]| u16::from_be_bytes([body[10], body[11]]);
    assert_eq!(told[0].2[2..10], (1u64 << 20).to_be_bytes());
    assert_eq!(flags(&told[0].2) & (can::DF | can::READ_ONLY), 0);
    assert_eq!(told[2].2, [&[0, 3][..], &[0, 0, 0, 1], &[0, 0, 0x10, 0], &[2, 0, 0, 0]].concat());
    h.option(option::STRUCTURED_REPLY, b"");
    let read_only = Ok(Facts { read_only: true, ..FACTS });
    let told = replies(&h.answer_info("a", false, &read_only));
    assert_eq!(flags(&told[0].2) & (can::DF | can::READ_ONLY | can::TRIM), can::DF | can::READ_ONLY);
    for (error, kind) in [
        (ExportError::Unknown("no".into()), UNKNOWN),
        (ExportError::InUse("no".into()), POLICY),
        (ExportError::Unavailable("é".repeat(4000)), 0x8000_0007),
    ] {
        let told = replies(&h.answer_info("a", true, &Err(error.clone())));
        assert_eq!(told[0].1, kind);
        assert!(told[0].2.len() <= 4096 && std::str::from_utf8(&told[0].2).is_ok());
        assert_eq!(replies(&h.answer_list(&Err(error)))[0].1, kind);
    }
    let names = replies(&h.answer_list(&Ok(vec!["a".into(), "b".into()])));
    assert_eq!(names[1], (3, 2, b"\0\0\0\x01b".to_vec()));
    assert_eq!(names.len(), 3);
}

#[test]
fn the_old_way_in_has_its_zeros_unless_they_are_waived() {
    assert_eq!(begin().answer_export_name(&FACTS).len(), 10);
    assert_eq!(Handshake::begin(1, Tls::Absent).unwrap().answer_export_name(&FACTS).len(), 134);
    assert_eq!(begin().option(option::EXPORT_NAME, b"a"), Step::ExportName { name: "a".into() });
    assert_eq!(begin().option(option::EXPORT_NAME, b"\xff"), Step::Close(Vec::new()));
    assert!(matches!(begin().option(option::ABORT, b""), Step::Close(bytes) if replies(&bytes)[0].1 == 1));
}

#[test]
fn extended_headers_take_precedence_and_the_old_way_in_is_closed() {
    let mut h = begin();
    assert_eq!(kinds(h.option(option::EXTENDED_HEADERS, b"x")), [INVALID]);
    assert_eq!(kinds(h.option(option::EXTENDED_HEADERS, b"")), [1]);
    assert_eq!(kinds(h.option(option::STRUCTURED_REPLY, b"")), [0x8000_000a]);
    assert_eq!(kinds(h.option(option::SET_META_CONTEXT, &contexts("a", &["base:allocation"]))), [4, 1]);
    assert_eq!(h.session("a"), Session { headers: Headers::Extended, allocation: true, difference: false });
    assert_eq!(h.option(option::EXPORT_NAME, b"a"), Step::Close(Vec::new()));
}

#[test]
fn where_tls_is_required_nothing_is_told_in_clear() {
    let mut h = Handshake::begin(3, Tls::Required).unwrap();
    for option in
        [option::LIST, option::INFO, option::GO, option::SET_META_CONTEXT, option::EXTENDED_HEADERS, 99]
    {
        assert_eq!(kinds(h.option(option, b"")), [0x8000_0005], "{option}");
    }
    assert_eq!(h.option(option::EXPORT_NAME, b"a"), Step::Close(Vec::new()));
    assert!(matches!(h.option(option::ABORT, b""), Step::Close(_)));
    assert_eq!(kinds(h.option(option::STARTTLS, b"x")), [INVALID]);
    assert!(matches!(h.option(option::STARTTLS, b""), Step::StartTls(bytes) if replies(&bytes)[0].1 == 1));
    let mut h = h.under_tls();
    assert_eq!(h.option(option::LIST, b""), Step::List);
    assert_eq!(kinds(h.option(option::STARTTLS, b"")), [INVALID], "once is enough");
}

#[test]
fn what_was_agreed_on_in_clear_is_void_under_tls() {
    let mut h = Handshake::begin(1, Tls::Offered).unwrap();
    h.option(option::STRUCTURED_REPLY, b"");
    h.option(option::SET_META_CONTEXT, &contexts("a", &["base:allocation"]));
    assert!(h.session("a").allocation);
    let h = h.under_tls();
    assert_eq!(h.session("a"), Session::default());
    assert_eq!(h.answer_export_name(&FACTS).len(), 134, "the flags stay");
}
