//! MD5's compression of eight messages side by side, one in each 32-bit lane of a vector (RFC 1321, section 3.4).
//!
//! One message cannot be hashed faster than its chain of 64 dependent steps per block allows, which leaves most of a
//! processor idle; eight chains at once cost hardly more than one.

/// Messages hashed together.
pub(super) const LANES: usize = 8;
/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 64;
/// The state that a message begins with.
pub(super) const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The integer part of 2^32 times |sin(i)|, i from 1, in radians.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

/// The word of the block that a step takes.
const fn word(step: usize) -> usize {
    match step / 16 {
        0 => step,
        1 => (5 * step + 1) % 16,
        2 => (3 * step + 5) % 16,
        _ => (7 * step) % 16,
    }
}

/// Takes as many whole blocks as all messages have (they have equally many) into their states.
///
/// # Panics
/// If the messages differ in length, or end within a block: a mistake of the caller's.
pub(super) fn compress(states: &mut [[u32; 4]; LANES], messages: [&[u8]; LANES]) {
    let bytes = messages[0].len();
    assert!(bytes % BLOCK_BYTES == 0 && messages.iter().all(|m| m.len() == bytes), "messages of one length");
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the processor has what the function was compiled for; it has no other demand.
            return unsafe { avx512::compress(states, messages) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { avx2::compress(states, messages) };
        }
    }
    portable::compress(states, messages);
}

/// The 64 steps, for a module that has `add`, `rotate`, `splat` and the four functions `f`, `g`, `h`, `i`.
macro_rules! steps {
    ($words:ident, $a:ident, $b:ident, $c:ident, $d:ident) => {
        steps!(@round f, 0, [7, 12, 17, 22], $words, $a, $b, $c, $d);
        steps!(@round g, 16, [5, 9, 14, 20], $words, $a, $b, $c, $d);
        steps!(@round h, 32, [4, 11, 16, 23], $words, $a, $b, $c, $d);
        steps!(@round i, 48, [6, 10, 15, 21], $words, $a, $b, $c, $d);
    };
    (@round $fn:ident, $at:literal, $turns:tt, $w:ident, $a:ident, $b:ident, $c:ident, $d:ident) => {
        steps!(@four $fn, $at, $turns, $w, $a, $b, $c, $d);
        steps!(@four $fn, $at + 4, $turns, $w, $a, $b, $c, $d);
        steps!(@four $fn, $at + 8, $turns, $w, $a, $b, $c, $d);
        steps!(@four $fn, $at + 12, $turns, $w, $a, $b, $c, $d);
    };
    (@four $fn:ident, $at:expr, [$r:literal, $s:literal, $t:literal, $u:literal], $w:ident,
     $a:ident, $b:ident, $c:ident, $d:ident) => {
        steps!(@step $fn, $at, $r, $w, $a, $b, $c, $d);
        steps!(@step $fn, $at + 1, $s, $w, $d, $a, $b, $c);
        steps!(@step $fn, $at + 2, $t, $w, $c, $d, $a, $b);
        steps!(@step $fn, $at + 3, $u, $w, $b, $c, $d, $a);
    };
    (@step $fn:ident, $at:expr, $turn:literal, $w:ident, $a:ident, $b:ident, $c:ident, $d:ident) => {
        let sum = add(add($a, $fn($b, $c, $d)), add($w[word($at)], splat(SINES[$at])));
        $a = add($b, rotate::<$turn>(sum));
    };
}

/// `compress` of the AVX modules, which differ in `rotate` and the four functions only.
#[cfg(target_arch = "x86_64")]
macro_rules! avx {
    ($features:literal) => {
        #[target_feature(enable = $features)]
        pub(super) fn compress(states: &mut [[u32; 4]; LANES], messages: [&[u8]; LANES]) {
            let column = |n: usize| {
                let s = |lane: usize| states[lane][n] as i32;
                _mm256_set_epi32(s(7), s(6), s(5), s(4), s(3), s(2), s(1), s(0))
            };
            let (mut a, mut b, mut c, mut d) = (column(0), column(1), column(2), column(3));
            for at in (0..messages[0].len()).step_by(BLOCK_BYTES) {
                let low = transpose(messages.map(|m| load(&m[at..at + 32])));
                let high = transpose(messages.map(|m| load(&m[at + 32..at + 64])));
                let words: [__m256i; 16] = std::array::from_fn(|n| if n < 8 { low[n] } else { high[n - 8] });
                let before = (a, b, c, d);
                steps!(words, a, b, c, d);
                (a, b, c, d) = (add(a, before.0), add(b, before.1), add(c, before.2), add(d, before.3));
            }
            for (n, vector) in [a, b, c, d].into_iter().enumerate() {
                let mut out = [0u32; LANES];
                // SAFETY: `out` has the 32 bytes that are stored; the store needs no alignment.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), vector) };
                states.iter_mut().zip(out).for_each(|(state, value)| state[n] = value);
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn load(bytes: &[u8]) -> __m256i {
            assert!(bytes.len() >= 32, "half a block");
            // SAFETY: 32 bytes are there, as was just checked; the load needs no alignment.
            unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
        }

        /// Eight messages' eight words each, turned into eight words' eight messages each.
        #[inline]
        #[target_feature(enable = $features)]
        fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
            let pairs = |a, b| (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let ((t0, t1), (t2, t3)) = (pairs(r[0], r[1]), pairs(r[2], r[3]));
            let ((t4, t5), (t6, t7)) = (pairs(r[4], r[5]), pairs(r[6], r[7]));
            let fours = |a, b| (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
            let ((s0, s1), (s2, s3)) = (fours(t0, t2), fours(t1, t3));
            let ((s4, s5), (s6, s7)) = (fours(t4, t6), fours(t5, t7));
            let low = |a, b| _mm256_permute2x128_si256::<0x20>(a, b);
            let high = |a, b| _mm256_permute2x128_si256::<0x31>(a, b);
            [
                low(s0, s4),
                low(s1, s5),
                low(s2, s6),
                low(s3, s7),
                high(s0, s4),
                high(s1, s5),
                high(s2, s6),
                high(s3, s7),
            ]
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn add(a: __m256i, b: __m256i) -> __m256i {
            _mm256_add_epi32(a, b)
        }
        #[inline]
        #[target_feature(enable = $features)]
        fn splat(value: u32) -> __m256i {
            _mm256_set1_epi32(value as i32)
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{BLOCK_BYTES, LANES, SINES, word};
    use std::arch::x86_64::*;

    avx!("avx2,avx512f,avx512vl");

    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    fn rotate<const N: i32>(v: __m256i) -> __m256i {
        _mm256_rol_epi32::<N>(v)
    }
    // One instruction each: the constant is the function's truth table, the first operand its highest bit.
    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    fn f(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_ternarylogic_epi32::<0xca>(b, c, d)
    }
    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    fn g(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_ternarylogic_epi32::<0xca>(d, b, c)
    }
    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    fn h(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_ternarylogic_epi32::<0x96>(b, c, d)
    }
    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    fn i(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_ternarylogic_epi32::<0x39>(b, c, d)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BLOCK_BYTES, LANES, SINES, word};
    use std::arch::x86_64::*;

    avx!("avx2");

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate<const N: i32>(v: __m256i) -> __m256i {
        _mm256_or_si256(
            _mm256_sll_epi32(v, _mm_cvtsi32_si128(N)),
            _mm256_srl_epi32(v, _mm_cvtsi32_si128(32 - N)),
        )
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    fn f(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)))
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    fn g(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_xor_si256(c, _mm256_and_si256(d, _mm256_xor_si256(b, c)))
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    fn h(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_xor_si256(b, _mm256_xor_si256(c, d))
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    fn i(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_xor_si256(c, _mm256_or_si256(b, _mm256_xor_si256(d, _mm256_set1_epi32(-1))))
    }
}

/// For processors without the above: one message after the other.
mod portable {
    use super::{BLOCK_BYTES, LANES, SINES, word};

    pub(super) fn compress(states: &mut [[u32; 4]; LANES], messages: [&[u8]; LANES]) {
        for (state, message) in states.iter_mut().zip(messages) {
            for block in message.chunks_exact(BLOCK_BYTES) {
                let words: [u32; 16] = std::array::from_fn(|n| {
                    let b = &block[n * 4..n * 4 + 4];
                    u32::from_le_bytes([b[0], b[1], b[2], b[3]])
                });
                let [mut a, mut b, mut c, mut d] = *state;
                steps!(words, a, b, c, d);
                *state = [add(state[0], a), add(state[1], b), add(state[2], c), add(state[3], d)];
            }
        }
    }

    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }
    fn splat(value: u32) -> u32 {
        value
    }
    fn rotate<const N: u32>(v: u32) -> u32 {
        v.rotate_left(N)
    }
    fn f(b: u32, c: u32, d: u32) -> u32 {
        d ^ (b & (c ^ d))
    }
    fn g(b: u32, c: u32, d: u32) -> u32 {
        c ^ (d & (b ^ c))
    }
    fn h(b: u32, c: u32, d: u32) -> u32 {
        b ^ c ^ d
    }
    fn i(b: u32, c: u32, d: u32) -> u32 {
        c ^ (b | !d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    #[test]
    fn all_kernels_agree() {
        let mut rng = Rng::new(3);
        let bytes: Vec<u8> = (0..LANES * 1024).map(|_| rng.next_u64() as u8).collect();
        let messages: [&[u8]; LANES] = std::array::from_fn(|n| &bytes[n * 1024..n * 1024 + 960]);
        let mut expected = [START; LANES];
        portable::compress(&mut expected, messages);
        assert!((1..LANES).all(|n| expected[n] != expected[0]));
        let mut chosen = [START; LANES];
        compress(&mut chosen, messages);
        assert_eq!(chosen, expected);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            let mut got = [START; LANES];
            // SAFETY: the processor has AVX2, as was just asked.
            unsafe { avx2::compress(&mut got, messages) };
            assert_eq!(got, expected);
        }
    }
}
