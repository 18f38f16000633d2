//! AVX-512 and GFNI: a multiplication is one instruction on 64 bytes.

use super::Job;
use super::lanes::{self, Lane};
use crate::gf::AFFINE;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
struct Zmm(__m512i);

// SAFETY: every method uses only the features that `run` enables.
unsafe impl Lane for Zmm {
    const BYTES: usize = 64;
    const ROWS: usize = 6;
    type Factor = i64;

    #[inline(always)]
    fn factor(coefficient: u8) -> i64 {
        AFFINE[coefficient as usize].cast_signed()
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        Zmm(unsafe { _mm512_loadu_si512(from.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the processor has the features.
        Zmm(unsafe { _mm512_setzero_si512() })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the processor has the features.
        Zmm(unsafe { _mm512_xor_si512(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, by: i64) -> Self {
        // SAFETY: the processor has the features.
        unsafe { Zmm(_mm512_gf2p8affine_epi64_epi8::<0>(self.0, _mm512_set1_epi64(by))) }
    }
}

/// # Safety
/// The processor has the features; the job is as [`lanes::run`] wants it.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) unsafe fn run(job: Job<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { lanes::run::<Zmm>(job) }
}
