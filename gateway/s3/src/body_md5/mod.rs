//! MD5 of bodies, which S3's ETags are: small ones by themselves, large ones together with the other uploads that are
//! under way (`shared`), which takes a fraction of the processor's time.

mod kernel;
mod shared;

use bytes::Bytes;
use kernel::BLOCK_BYTES;
use md5::{Digest, Md5};
use shared::{Place, Shared};

/// Bodies shorter than this come and end at once: nobody would keep them company.
const SHARED_FROM_BYTES: u64 = 256 << 10;

/// Pieces shorter than this are copied, so that what waits does not keep large buffers from being freed.
const COPIED_BYTES: usize = 16 << 10;

static UPLOADS: Shared = Shared::new();

/// A body's MD5 as it comes to be.
pub(crate) enum BodyMd5 {
    /// By itself.
    Alone(Md5),
    /// Together with others.
    Together(Together),
}

/// A body that is hashed together with others.
pub(crate) struct Together {
    place: Option<Place<'static>>,
    /// What is not a whole block yet.
    rest: Vec<u8>,
    bytes: u64,
}

impl BodyMd5 {
    /// For a body of about `length` bytes, if that is known.
    pub(crate) fn new(length: Option<u64>) -> BodyMd5 {
        match length {
            Some(length) if length < SHARED_FROM_BYTES => BodyMd5::Alone(Md5::new()),
            _ => BodyMd5::Together(Together { place: None, rest: Vec::new(), bytes: 0 }),
        }
    }

    /// Takes in the next bytes.
    pub(crate) fn update(&mut self, data: &Bytes) {
        match self {
            BodyMd5::Alone(md5) => md5.update(data),
            BodyMd5::Together(together) => together.update(data.clone()),
        }
    }

    /// The digest. Asked once.
    pub(crate) fn finish(&mut self) -> [u8; 16] {
        match self {
            BodyMd5::Alone(md5) => md5.finalize_reset().into(),
            BodyMd5::Together(together) => together.finish(),
        }
    }
}

impl Together {
    fn place(&mut self) -> &Place<'static> {
        self.place.get_or_insert_with(|| UPLOADS.enter())
    }

    fn update(&mut self, mut data: Bytes) {
        self.bytes += data.len() as u64;
        if !self.rest.is_empty() {
            let missing = data.split_to(data.len().min(BLOCK_BYTES - self.rest.len()));
            self.rest.extend_from_slice(&missing);
            if self.rest.len() == BLOCK_BYTES {
                let block = Bytes::from(std::mem::take(&mut self.rest));
                self.place().add(block);
            }
        }
        let whole = data.len() - data.len() % BLOCK_BYTES;
        let rest = data.split_off(whole);
        if data.len() < COPIED_BYTES {
            data = Bytes::copy_from_slice(&data);
        }
        self.place().add(data);
        self.rest.extend_from_slice(&rest);
    }

    /// RFC 1321, sections 3.1 to 3.3: a one bit, zeros, and the length in bits.
    fn finish(&mut self) -> [u8; 16] {
        let mut last = std::mem::take(&mut self.rest);
        last.push(0x80);
        while last.len() % BLOCK_BYTES != BLOCK_BYTES - 8 {
            last.push(0);
        }
        last.extend_from_slice(&self.bytes.wrapping_mul(8).to_le_bytes());
        let place = self.place.take().unwrap_or_else(|| UPLOADS.enter());
        self.bytes = 0;
        let mut out = [0; 16];
        for (four, word) in out.chunks_exact_mut(4).zip(place.end(last.into())) {
            four.copy_from_slice(&word.to_le_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    fn alone(data: &[u8]) -> [u8; 16] {
        Md5::digest(data).into()
    }

    #[test]
    fn one_message_of_every_length_around_blocks() {
        for length in (0..200).chain([4095, 4096, 4097, 700_000]) {
            let data: Vec<u8> = (0..length).map(|n| (n * 7 + n / 256) as u8).collect();
            let mut md5 = BodyMd5::new(None);
            md5.update(&Bytes::from(data.clone()));
            assert_eq!(md5.finish(), alone(&data), "{length} bytes");
        }
        assert!(matches!(BodyMd5::new(Some(1000)), BodyMd5::Alone(_)));
    }

    #[test]
    fn many_at_once_in_pieces_of_any_size_some_of_which_go_away() {
        std::thread::scope(|scope| {
            for seed in 0..3 {
                scope.spawn(move || many(&mut Rng::new(seed)));
            }
        });
        let _all_left = UPLOADS.enter();
    }

    fn many(rng: &mut Rng) {
        let mut all: Vec<(BodyMd5, Vec<u8>, u64)> =
            (0..25).map(|_| (BodyMd5::new(None), Vec::new(), 1 + rng.below(300_000))).collect();
        while !all.is_empty() {
            let at = rng.below(all.len() as u64) as usize;
            let (md5, sent, length) = &mut all[at];
            if sent.len() as u64 >= *length {
                let (mut md5, sent, _) = all.swap_remove(at);
                if rng.below(5) > 0 {
                    assert_eq!(md5.finish(), alone(&sent));
                }
                continue;
            }
            let piece: Vec<u8> = (0..rng.below(40_000)).map(|_| rng.next_u64() as u8).collect();
            sent.extend_from_slice(&piece);
            md5.update(&Bytes::from(piece));
        }
    }
}
