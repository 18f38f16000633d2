//! The one loop that all vector kernels share: several outputs at once, their sums held in registers, each source read
//! once.

use super::{Job, Mode, SOURCES_MAX};
use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
use std::mem::MaybeUninit;

/// How far ahead memory is asked for. The processor's own look-ahead ends at each page, and there are many streams.
const AHEAD_BYTES: usize = 1024;
/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// A vector register of bytes and how it is multiplied.
///
/// # Safety
/// All methods may be called only where the processor has the features of the kernel that the lane belongs to. They are
/// `inline(always)`, so that they become part of the function that enables these features.
pub(super) unsafe trait Lane: Copy {
    /// Bytes in a register.
    const BYTES: usize;
    /// The most outputs at once.
    const ROWS: usize;
    /// A coefficient, prepared.
    type Factor: Copy;

    fn factor(coefficient: u8) -> Self::Factor;
    /// # Safety
    /// `BYTES` bytes can be read.
    unsafe fn load(from: *const u8) -> Self;
    /// # Safety
    /// `BYTES` bytes can be written.
    unsafe fn store(self, to: *mut u8);
    /// # Safety
    /// As for the trait.
    unsafe fn zero() -> Self;
    /// # Safety
    /// As for the trait.
    unsafe fn add(self, other: Self) -> Self;
    /// # Safety
    /// As for the trait.
    unsafe fn multiply(self, by: Self::Factor) -> Self;
}

/// A lane for rows of ones: nothing to multiply.
#[derive(Clone, Copy)]
struct Plain<L>(L);

// SAFETY: passes on what `L` promises.
unsafe impl<L: Lane> Lane for Plain<L> {
    const BYTES: usize = L::BYTES;
    const ROWS: usize = L::ROWS;
    type Factor = ();

    #[inline(always)]
    fn factor(_: u8) {}
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        Plain(unsafe { L::load(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.0.store(to) }
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        Plain(unsafe { L::zero() })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Plain(unsafe { self.0.add(other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, _: ()) -> Self {
        self
    }
}

/// Does the job with lanes of kind `L`.
///
/// # Safety
/// The processor has the features of `L`; the job's range is in all its chunks, and it has at most `L::ROWS` outputs and
/// `SOURCES_MAX` sources.
#[inline(always)]
pub(super) unsafe fn run<L: Lane>(job: Job<'_, '_>) {
    let ones = job.outputs.len() == 1 && job.coefficients.iter().all(|c| *c == 1);
    // SAFETY: the caller's promise. The arms beyond what `L` has registers for compile to nothing.
    unsafe {
        match job.outputs.len() {
            1 if ones => rows::<Plain<L>, 1, 4>(job),
            1 => rows::<L, 1, 4>(job),
            2 => rows::<L, 2, 2>(job),
            3 => rows::<L, 3, 2>(job),
            4 => rows::<L, 4, 2>(job),
            5 if L::ROWS >= 5 => rows::<L, 5, 2>(job),
            6 if L::ROWS >= 6 => rows::<L, 6, 2>(job),
            n => unreachable!("{n} outputs at once"),
        }
    }
}

/// `R` outputs, `U` lanes of each at a time, then one at a time, then the rest through a buffer.
///
/// # Safety
/// As for [`run`], with exactly `R` outputs.
#[inline(always)]
unsafe fn rows<L: Lane, const R: usize, const U: usize>(job: Job<'_, '_>) {
    let count = job.sources.len();
    let mut factors = [const { MaybeUninit::<[L::Factor; R]>::uninit() }; SOURCES_MAX];
    let mut sources = [std::ptr::null::<u8>(); SOURCES_MAX];
    for c in 0..count {
        factors[c].write(std::array::from_fn(|r| L::factor(job.coefficients[r * count + c])));
        // The start of the range lies in the chunk.
        sources[c] = job.sources[c][job.range.start..].as_ptr();
    }
    let outputs: [*mut u8; R] = std::array::from_fn(|r| job.outputs[r][job.range.start..].as_mut_ptr());
    // SAFETY: the first `count` factors were written just now.
    let factors = unsafe { std::slice::from_raw_parts(factors.as_ptr().cast::<[L::Factor; R]>(), count) };
    let work = Work { factors, sources: &sources[..count], outputs, add: job.mode == Mode::Add };
    let len = job.range.len();
    let whole = len - len % L::BYTES;
    let wide = len - len % (U * L::BYTES);
    // SAFETY: each step stays below `len`, which is in every chunk; the processor has the features.
    unsafe {
        let mut at = 0;
        while at < wide {
            work.step::<L, U>(at);
            at += U * L::BYTES;
        }
        while at < whole {
            work.step::<L, 1>(at);
            at += L::BYTES;
        }
        if at < len {
            work.rest::<L>(at, len - at);
        }
    }
}

/// Pointers to what is worked on, at the start of its range.
struct Work<'a, F, const R: usize> {
    factors: &'a [[F; R]],
    sources: &'a [*const u8],
    outputs: [*mut u8; R],
    add: bool,
}

#[allow(clippy::needless_range_loop, reason = "r and u name the output and the lane in all arrays alike")]
impl<F: Copy, const R: usize> Work<'_, F, R> {
    /// # Safety
    /// `U` lanes from `at` on are in every chunk.
    #[inline(always)]
    unsafe fn step<L: Lane<Factor = F>, const U: usize>(&self, at: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[L::zero(); U]; R];
            if U > 1 {
                for output in self.outputs {
                    ask_ahead::<{ _MM_HINT_ET0 }>(output.wrapping_add(at), U * L::BYTES);
                }
            }
            if self.add {
                for r in 0..R {
                    for u in 0..U {
                        sums[r][u] = L::load(self.outputs[r].add(at + u * L::BYTES));
                    }
                }
            }
            for (source, factors) in self.sources.iter().zip(self.factors) {
                if U > 1 {
                    ask_ahead::<{ _MM_HINT_T0 }>(source.wrapping_add(at), U * L::BYTES);
                }
                for u in 0..U {
                    let lane = L::load(source.add(at + u * L::BYTES));
                    for r in 0..R {
                        sums[r][u] = sums[r][u].add(lane.multiply(factors[r]));
                    }
                }
            }
            for r in 0..R {
                for u in 0..U {
                    sums[r][u].store(self.outputs[r].add(at + u * L::BYTES));
                }
            }
        }
    }

    /// The last `len` bytes, fewer than a lane.
    ///
    /// # Safety
    /// They are in every chunk, and `len` is less than `L::BYTES`.
    #[inline(always)]
    unsafe fn rest<L: Lane<Factor = F>>(&self, at: usize, len: usize) {
        let mut buffer = [0u8; 64];
        assert!(len < L::BYTES && L::BYTES <= buffer.len());
        // SAFETY: the caller's promise; the buffer holds a lane.
        unsafe {
            for r in 0..R {
                let output = self.outputs[r].add(at);
                let mut sum = L::zero();
                if self.add {
                    buffer.as_mut_ptr().copy_from_nonoverlapping(output, len);
                    sum = L::load(buffer.as_ptr());
                }
                for (source, factors) in self.sources.iter().zip(self.factors) {
                    buffer.as_mut_ptr().copy_from_nonoverlapping(source.add(at), len);
                    sum = sum.add(L::load(buffer.as_ptr()).multiply(factors[r]));
                }
                sum.store(buffer.as_mut_ptr());
                output.copy_from_nonoverlapping(buffer.as_ptr(), len);
            }
        }
    }
}

/// Asks for `len` bytes, [`AHEAD_BYTES`] further on, to read or to write. A hint without effect on anything but time: an
/// address beyond a chunk does no harm. It stands inside the loops over the chunks because there it costs nothing; in a
/// loop of its own it takes a third of the speed.
#[inline(always)]
fn ask_ahead<const HINT: i32>(at: *const u8, len: usize) {
    for line in 0..len / LINE_BYTES {
        let address = at.wrapping_add(AHEAD_BYTES + line * LINE_BYTES);
        // SAFETY: a prefetch reads nothing. Every x86-64 processor takes it; one without PREFETCHW does nothing.
        unsafe { _mm_prefetch::<HINT>(address.cast()) };
    }
}
