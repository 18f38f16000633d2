//! The log as a whole: nothing is lost that has room, and it goes where it is told.

use super::*;

#[test]
fn lines_go_where_they_are_told_and_the_last_ones_are_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let log = AccessLog::default();
    log.write(b"before\n");
    log.send_to(Destination::File(one.clone())).unwrap();
    (0..1000).for_each(|i| log.write(format!("{i}\n").as_bytes()));
    log.settle();
    let text = std::fs::read_to_string(&one).unwrap();
    assert_eq!(
        text.lines().map(|l| l.parse::<u32>().unwrap()).collect::<Vec<_>>(),
        (0..1000).collect::<Vec<_>>()
    );
    log.send_to(Destination::File(two.clone())).unwrap();
    log.write(b"second\n");
    log.settle();
    log.send_to(Destination::Off).unwrap();
    assert!(!log.is_on());
    log.write(b"nowhere\n");
    log.send_to(Destination::File(two.clone())).unwrap();
    log.write(b"third\n");
    // Its end writes what is left.
    drop(log);
    assert_eq!(std::fs::read(&two).unwrap(), b"second\nthird\n");
    assert_eq!(std::fs::read_to_string(&one).unwrap(), text);
}

#[test]
fn what_waits_is_bounded() {
    let log = AccessLog::default();
    // No writer: nothing leaves.
    log.shared.state().destination = Destination::Stdout;
    let line = vec![b'x'; 1 << 20];
    (0..10).for_each(|_| log.write(&line));
    let state = log.shared.state();
    assert_eq!((state.lines.len(), state.lost), (WAITING_BYTES_MAX, 6));
}

#[test]
fn destinations_in_words() {
    let parse = |text| Destination::parse(text, "gateway.3");
    assert_eq!(parse(""), Ok(Destination::Off));
    assert_eq!(parse("-"), Ok(Destination::Stdout));
    assert_eq!(parse("/log/$name.json"), Ok(Destination::File("/log/gateway.3.json".into())));
    assert!(parse("log").unwrap_err().contains("absolute"));
}
