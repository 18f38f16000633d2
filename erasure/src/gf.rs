//! The field GF(2^8) with the polynomial 0x11d (x^8 + x^4 + x^3 + x^2 + 1), in which 2 generates every element but 0.
//! ISA-L, jerasure (w = 8) and RAID-6 use the same one.

/// The polynomial without its x^8: what a byte that overflows is reduced by.
pub(crate) const REDUCTION: u8 = 0x1d;

/// 2 times `a`.
pub(crate) const fn double(a: u8) -> u8 {
    (a << 1) ^ (if a & 0x80 != 0 { REDUCTION } else { 0 })
}

/// Powers of 2, twice over, so that a sum of two logarithms needs no reduction.
const EXP: [u8; 510] = {
    let mut table = [0; 510];
    let (mut i, mut power) = (0, 1);
    while i < 510 {
        table[i] = power;
        power = double(power);
        i += 1;
    }
    table
};

/// Logarithms to base 2; the entry of 0 is never used.
const LOG: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 255 {
        table[EXP[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// The product. (The sum, and the difference, is `^`.)
pub(crate) const fn mul(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { EXP[LOG[a as usize] as usize + LOG[b as usize] as usize] }
}

/// The inverse. 0 has none: to ask for it is our mistake.
pub(crate) const fn inv(a: u8) -> u8 {
    assert!(a != 0, "0 has no inverse");
    EXP[255 - LOG[a as usize] as usize]
}

/// For each coefficient the products with the low nibbles 0..16, then with the high nibbles: two byte shuffles multiply.
pub(crate) static NIBBLES: [[u8; 32]; 256] = {
    let mut table = [[0; 32]; 256];
    let mut c = 0;
    while c < 256 {
        let mut n = 0;
        while n < 16 {
            table[c][n] = mul(c as u8, n as u8);
            table[c][16 + n] = mul(c as u8, (n as u8) << 4);
            n += 1;
        }
        c += 1;
    }
    table
};

/// For each coefficient its multiplication as a matrix of bits, in the form that GF2P8AFFINEQB takes: bit i of the
/// product is the parity of (byte 7-i AND the factor), so bit j of that byte is bit i of coefficient * 2^j.
/// (GF2P8MULB itself is of no use: its polynomial is fixed to 0x11b.)
pub(crate) static AFFINE: [u64; 256] = {
    let mut table = [0; 256];
    let mut c = 0;
    while c < 256 {
        let (mut j, mut column) = (0, c as u8);
        while j < 8 {
            let mut i = 0;
            while i < 8 {
                if column >> i & 1 == 1 {
                    table[c] |= 1 << (8 * (7 - i) + j);
                }
                i += 1;
            }
            column = double(column);
            j += 1;
        }
        c += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The product as it is defined: shift, add, reduce.
    fn by_definition(a: u8, b: u8) -> u8 {
        let (mut sum, mut shifted) = (0, a);
        for bit in 0..8 {
            if b >> bit & 1 == 1 {
                sum ^= shifted;
            }
            shifted = double(shifted);
        }
        sum
    }

    #[test]
    fn tables_say_what_the_definition_says() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let product = by_definition(a, b);
                assert_eq!(mul(a, b), product, "{a} * {b}");
                let table = &NIBBLES[a as usize];
                assert_eq!(table[(b & 15) as usize] ^ table[16 + (b >> 4) as usize], product, "{a} * {b}");
                let bits = AFFINE[a as usize].to_le_bytes();
                let affine = (0..8).fold(0, |byte, i| byte | ((bits[7 - i] & b).count_ones() as u8 & 1) << i);
                assert_eq!(affine, product, "{a} * {b}");
            }
            if a != 0 {
                assert_eq!(mul(a, inv(a)), 1);
            }
        }
    }
}
