//! The vector kernels go by pointers: here every chunk ends where memory that must not be touched begins, or begins where
//! it ends, so that one byte read or written too far is a fault. (What a sanitizer adds: docs/TESTING.md.)

use erasure::{ChunkSet, Code, Kernel, Profile};
use std::ptr::NonNull;
use stdx::Rng;

const PAGE_BYTES: usize = 4096;
/// Around every width of a lane and of the unrolled loops, and around a page.
const LENGTHS: [usize; 20] =
    [1, 7, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 257, 511, 1000, 4095, 4096, 8191];

/// Bytes between two pages that nobody may touch.
struct Guarded {
    map: NonNull<u8>,
    map_bytes: usize,
    start: usize,
    len: usize,
}

impl Guarded {
    /// `len` bytes of chance; up against the page behind them, or else the one before.
    fn new(rng: &mut Rng, len: usize, at_end: bool) -> Guarded {
        let inner = len.next_multiple_of(PAGE_BYTES);
        let map_bytes = inner + 2 * PAGE_BYTES;
        let (access, kind) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping of nobody's memory.
        let map = unsafe { libc::mmap(std::ptr::null_mut(), map_bytes, access, kind, -1, 0) };
        assert_ne!(map, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        let map = NonNull::new(map.cast::<u8>()).expect("a mapping is not at 0");
        // SAFETY: whole pages within the mapping.
        let done = unsafe {
            let inner_at = map.as_ptr().add(PAGE_BYTES).cast();
            libc::mprotect(inner_at, inner, libc::PROT_READ | libc::PROT_WRITE)
        };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        let start = PAGE_BYTES + if at_end { inner - len } else { 0 };
        let mut bytes = Guarded { map, map_bytes, start, len };
        rng.fill(bytes.get_mut());
        bytes
    }
    fn get(&self) -> &[u8] {
        // SAFETY: readable bytes of the mapping, which lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(self.start), self.len) }
    }
    fn get_mut(&mut self) -> &mut [u8] {
        // SAFETY: the same, writable, and borrowed from here alone.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_ptr().add(self.start), self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: made by `mmap`, and nobody refers to it any more.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.map_bytes) };
    }
}

#[test]
fn no_kernel_touches_a_byte_beyond_its_chunks() {
    let mut rng = Rng::new(11);
    for (k, m) in [(2, 1), (4, 2), (8, 3), (10, 4), (5, 6)] {
        let scalar =
            Code::new(Profile::new(erasure::Technique::IsaCauchy, k, m).expect("a code that there is"));
        let all = ChunkSet::first(k + m);
        for kernel in Kernel::all() {
            let code = scalar.clone().with_kernel(kernel);
            for len in LENGTHS {
                for at_end in [true, false] {
                    let mut chunks =
                        |n| -> Vec<Guarded> { (0..n).map(|_| Guarded::new(&mut rng, len, at_end)).collect() };
                    let (data, mut parity, mut lost) = (chunks(k), chunks(m), chunks(m));
                    let sources: Vec<&[u8]> = data.iter().map(Guarded::get).collect();
                    code.encode(&sources, &mut views(&mut parity)).expect("chunks that fit");
                    // The first m chunks are lost, and come back.
                    let gone = ChunkSet::first(m);
                    let plan = code.plan(gone, all - gone).expect("m are lost");
                    let stored: Vec<&[u8]> = data.iter().chain(&parity).map(Guarded::get).collect();
                    let sources: Vec<&[u8]> = plan.sources().iter().map(|p| stored[p]).collect();
                    code.decode(&plan, &sources, &mut views(&mut lost)).expect("chunks that fit");
                    for (position, bytes) in lost.iter().enumerate() {
                        assert_eq!(bytes.get(), stored[position], "{k}+{m}, {}, {len} bytes", kernel.kind());
                    }
                    // A change and its undoing.
                    let before: Vec<Vec<u8>> = parity.iter().map(|chunk| chunk.get().to_vec()).collect();
                    for _ in 0..2 {
                        let mut places: Vec<(usize, &mut [u8])> = parity
                            .iter_mut()
                            .enumerate()
                            .map(|(i, chunk)| (k + i, chunk.get_mut()))
                            .collect();
                        code.add_deltas(&[(1, data[0].get())], &mut places).expect("chunks that fit");
                    }
                    assert!(parity.iter().map(Guarded::get).eq(before.iter().map(|chunk| &chunk[..])));
                }
            }
        }
    }
}

fn views(chunks: &mut [Guarded]) -> Vec<&mut [u8]> {
    chunks.iter_mut().map(Guarded::get_mut).collect()
}
