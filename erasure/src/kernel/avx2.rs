//! AVX2: a multiplication is two look-ups in tables of 16 bytes (Plank, Greenan and Miller, "Screaming fast Galois field
//! arithmetic using Intel SIMD instructions", FAST 2013).

use super::Job;
use super::lanes::{self, Lane};
use crate::gf::NIBBLES;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
struct Table(__m256i);

// SAFETY: every method uses only the features that `run` enables.
unsafe impl Lane for Table {
    const BYTES: usize = 32;
    const ROWS: usize = 4;
    type Factor = &'static [u8; 32];

    #[inline(always)]
    fn factor(coefficient: u8) -> &'static [u8; 32] {
        &NIBBLES[coefficient as usize]
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        Table(unsafe { _mm256_loadu_si256(from.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the processor has the features.
        Table(unsafe { _mm256_setzero_si256() })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the processor has the features.
        Table(unsafe { _mm256_xor_si256(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, by: &'static [u8; 32]) -> Self {
        // SAFETY: the processor has the features; the tables are 16 bytes each.
        unsafe {
            let low = _mm256_broadcastsi128_si256(_mm_loadu_si128(by.as_ptr().cast()));
            let high = _mm256_broadcastsi128_si256(_mm_loadu_si128(by.as_ptr().add(16).cast()));
            let nibble = _mm256_set1_epi8(15);
            let low = _mm256_shuffle_epi8(low, _mm256_and_si256(self.0, nibble));
            let high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi64::<4>(self.0), nibble));
            Table(_mm256_xor_si256(low, high))
        }
    }
}

/// # Safety
/// The processor has the features; the job is as [`lanes::run`] wants it.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn run(job: Job<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { lanes::run::<Table>(job) }
}
