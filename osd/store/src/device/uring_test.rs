//! The device against a real file, and results that this kernel does not give on demand.

use super::*;

fn file(bytes: u64) -> (tempfile::NamedTempFile, UringDevice) {
    let f = tempfile::NamedTempFile::new_in("/var/tmp").unwrap();
    f.as_file().set_len(bytes).unwrap();
    let device = UringDevice::open(f.path()).unwrap();
    (f, device)
}

fn unit(b: u8) -> Bytes {
    let mut buf = AlignedBuf::zeroed(4096);
    buf.fill(b);
    Bytes::from_owner(buf)
}

#[test]
fn more_operations_than_the_ring_holds_all_come_back() {
    let (_f, mut d) = file(4096 * 1000);
    assert_eq!(d.size_bytes(), 4096 * 1000);
    for i in 0..1000u64 {
        d.write(i, i * 4096, unit(i as u8));
    }
    let mut seen = vec![false; 1000];
    for _ in 0..1000 {
        let event = match d.reap() {
            Some(e) => e,
            None => {
                d.wait().unwrap();
                d.reap().unwrap()
            }
        };
        event.result.unwrap();
        assert!(!std::mem::replace(&mut seen[event.tag as usize], true));
    }
    d.flush(5);
    d.read(6, 999 * 4096, 4096);
    d.submit().unwrap();
    let mut tags = Vec::new();
    while tags.len() < 2 {
        // What the reactor does: sleep on the descriptor, then reap.
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(d.event_fd(), rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, None).unwrap();
        d.acknowledge();
        while let Some(e) = d.reap() {
            e.result.unwrap();
            if let Some(buf) = e.buf {
                assert!(buf.iter().all(|b| *b == 231));
            }
            tags.push(e.tag);
        }
    }
    let mut buf = AlignedBuf::zeroed(8192);
    d.read_now(4096, &mut buf).unwrap();
    assert_eq!((buf[0], buf[4096]), (1, 2));
}

#[test]
fn durable_writes_come_back_once_among_others() {
    let (_f, mut d) = file(4096 * 600);
    for i in 0..600u64 {
        if i % 3 == 0 {
            d.write_durably(i, i * 4096, unit(i as u8))
        } else {
            d.write(i, i * 4096, unit(i as u8))
        }
    }
    let mut seen = vec![false; 600];
    while seen.iter().any(|s| !s) {
        d.wait().unwrap();
        while let Some(e) = d.reap() {
            e.result.unwrap();
            assert!(!std::mem::replace(&mut seen[e.tag as usize], true));
        }
    }
    assert_eq!(d.in_flight, 0);
}

#[test]
fn a_discarded_range_of_a_file_holds_nothing_and_no_space() {
    use std::os::unix::fs::MetadataExt;
    let (f, mut d) = file(1 << 20);
    assert_eq!(d.discard_support(), DiscardSupport::Possible, "a file does not ask for it");
    for i in 0..256u64 {
        d.write(i, i * 4096, unit(7));
    }
    d.flush(300);
    let finish = |d: &mut UringDevice, mut left: usize| {
        while left > 0 {
            d.wait().unwrap();
            while let Some(e) = d.reap() {
                e.result.unwrap();
                left -= 1;
            }
        }
    };
    finish(&mut d, 257);
    let before = f.as_file().metadata().unwrap().blocks();
    d.discard(1, 64 << 10, 512 << 10);
    finish(&mut d, 1);
    let after = f.as_file().metadata().unwrap();
    assert!(after.blocks() + 900 < before && after.len() == 1 << 20, "{before} {}", after.blocks());
    let mut buf = AlignedBuf::zeroed(128 << 10);
    d.read_now(0, &mut buf).unwrap();
    assert!(buf[..64 << 10].iter().all(|b| *b == 7) && buf[64 << 10..].iter().all(|b| *b == 0));
}

/// Results that this machine's kernel does not give on demand.
#[test]
fn partial_and_failed_durable_writes() {
    let after = |results: &[i32]| {
        let kind = Kind::WriteDurably(unit(1));
        let mut o = Operation { tag: 1, offset: 0, done: 0, kind, error: None };
        results.iter().for_each(|r| o.take(*r));
        o
    };
    let short = after(&[512]);
    assert!(!short.is_finished() && short.done == 512, "the rest is written, durably too");
    let resumed = after(&[512, 3584]);
    assert!(resumed.is_finished() && resumed.into_event().result.is_ok());
    for error in [libc::EIO, libc::EAGAIN, libc::EINTR] {
        let failed = after(&[-error]);
        assert!(
            failed.is_finished() && failed.into_event().result.is_err(),
            "its flush may have failed: {error}"
        );
    }
}

#[test]
fn a_second_opener_is_refused_and_a_drop_with_reads_in_flight_is_safe() {
    let (f, mut d) = file(4096 * 64);
    assert!(UringDevice::open(f.path()).is_err());
    for i in 0..64 {
        d.read(i, i * 4096, 4096);
    }
    d.submit().unwrap();
    drop(d);
    assert!(UringDevice::open(f.path()).is_ok());
}
