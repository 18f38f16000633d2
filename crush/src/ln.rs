//! Ceph's `crush_ln`: 2^44 times the base-2 logarithm of a 17-bit number, in integers only.

use crate::ln_table::{LH, LL, RH};

/// What `-ln` counts from: `2^44 * log2(2^16)`, more or less (Ceph's own last entry is a little off).
pub(crate) const LN_TOP: u64 = 1 << 48;

/// By the high byte of `u`: no `u` with it has a smaller `LN_TOP - crush_ln(u)`. Lets straw2 pass over an item that
/// cannot win without working out its logarithm.
pub(crate) static FLOOR: [u64; 256] = floors();

const fn floors() -> [u64; 256] {
    // The logarithm grows with `u` but for the faults of `LL`, which are under 2^30 here (a test looks at every `u`).
    const FAULTS: u64 = 1 << 30;
    let mut floors = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let last = crush_ln(byte as u32 * 256 + 255);
        floors[byte] = LN_TOP.saturating_sub(last).saturating_sub(FAULTS);
        byte += 1;
    }
    floors
}

/// `2^44 * log2(u + 1)` as Ceph approximates it, for `u` up to `0xffff`.
///
/// The argument is normalised to 2^15..=2^16, the top 8 bits choose a reciprocal and a coarse logarithm,
/// and the product with the reciprocal chooses the fine one.
#[must_use]
#[inline]
pub(crate) const fn crush_ln(u: u32) -> u64 {
    debug_assert!(u <= 0xffff);
    let mut x = u + 1;
    let mut exponent = 15;
    if x & 0x1_8000 == 0 {
        let shift = x.leading_zeros() - 16;
        x <<= shift;
        exponent = 15 - shift as u64;
    }
    let coarse = (x >> 8) as usize - 128;
    let fine = ((x as u64 * RH[coarse]) >> 48) as usize & 0xff;
    (exponent << 44) + ((LH[coarse] + LL[fine]) >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_their_formulas() {
        // Three of Ceph's own numbers.
        assert_eq!([RH[0], RH[1], RH[21]], [0x1_0000_0000_0000, 0xfe03_f80f_e040, 0xdbeb_61ee_d19d]);
        for k in 0..128u32 {
            let exact = (1.0 + f64::from(k) / 128.0).log2() * 2f64.powi(48);
            assert!((LH[k as usize] as f64 - exact).abs() < 2.0, "{k}");
        }
        for k in 0..256u32 {
            let exact = (1.0 + f64::from(k) / 32768.0).log2() * 2f64.powi(48);
            let surplus = LL[k as usize] as f64 - exact;
            assert!((-1.5..5_493_489_666.0).contains(&surplus), "{k}: {surplus}");
        }
    }

    #[test]
    fn logarithm_is_close_to_the_true_one_and_ends_where_straw2_needs_it() {
        for u in 0..=0xffffu32 {
            let exact = (f64::from(u) + 1.0).log2() * 2f64.powi(44);
            assert!((crush_ln(u) as f64 - exact).abs() < 2f64.powi(30), "{u}");
            assert!(crush_ln(u) <= LN_TOP);
            assert!(FLOOR[(u >> 8) as usize] <= LN_TOP - crush_ln(u), "{u}");
        }
    }
}
