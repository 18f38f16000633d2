//! AVX2 and GFNI: a multiplication is one instruction on 32 bytes.

use super::Job;
use super::lanes::{self, Lane};
use crate::gf::AFFINE;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
struct Ymm(__m256i);

// SAFETY: every method uses only the features that `run` enables.
unsafe impl Lane for Ymm {
    const BYTES: usize = 32;
    const ROWS: usize = 4;
    type Factor = i64;

    #[inline(always)]
    fn factor(coefficient: u8) -> i64 {
        AFFINE[coefficient as usize].cast_signed()
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        Ymm(unsafe { _mm256_loadu_si256(from.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the processor has the features.
        Ymm(unsafe { _mm256_setzero_si256() })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the processor has the features.
        Ymm(unsafe { _mm256_xor_si256(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, by: i64) -> Self {
        // SAFETY: the processor has the features.
        unsafe { Ymm(_mm256_gf2p8affine_epi64_epi8::<0>(self.0, _mm256_set1_epi64x(by))) }
    }
}

/// # Safety
/// The processor has the features; the job is as [`lanes::run`] wants it.
#[target_feature(enable = "avx2,gfni")]
pub(super) unsafe fn run(job: Job<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { lanes::run::<Ymm>(job) }
}
