//! Straw lengths for the old straw buckets, both versions of Ceph's calculation.
//!
//! The arithmetic is done in the same order and widths as Ceph's, wrapping included: a straw one unit longer
//! moves data. The floating-point part is IEEE multiplication, division and the platform's `pow`.

/// Lengths (16.16) for `weights` (16.16). `version` is the map's `straw_calc_version`; 0 is the flawed first.
pub(crate) fn lengths(weights: &[u32], version: u8) -> Vec<u32> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| weights[*index]); // stable: equal weights keep their order
    if version == 0 { first(weights, &order) } else { corrected(weights, &order) }
}

/// `straw * 2^16` cut to 32 bits as x86-64 cuts it.
fn fixed(straw: f64) -> u32 {
    let scaled = straw * 65536.0;
    if scaled.abs() < 9.2e18 { scaled as i64 as u32 } else { 0 }
}

/// The factor from one weight to the next: `left` items are still to be placed.
fn grow(straw: f64, below: f64, left: u32, step: u32) -> f64 {
    let next = f64::from(left.wrapping_mul(step));
    let share = below / (below + next);
    straw * (1.0 / share).powf(1.0 / f64::from(left))
}

/// Version 1 and later.
fn corrected(weights: &[u32], order: &[usize]) -> Vec<u32> {
    let mut straws = vec![0; weights.len()];
    let mut left = weights.len() as u32;
    let (mut straw, mut below, mut last) = (1.0, 0.0, 0.0);
    for (rank, index) in order.iter().enumerate() {
        let weight = weights[*index];
        if weight == 0 {
            left -= 1; // an item of no weight gets no straw and no share
            continue;
        }
        straws[*index] = fixed(straw);
        let Some(next) = order.get(rank + 1) else { break };
        below += (f64::from(weight) - last) * f64::from(left);
        left -= 1;
        straw = grow(straw, below, left, weights[*next] - weight);
        last = f64::from(weight);
    }
    straws
}

/// Version 0: zero weights stay in the count, and equal weights are dropped from it too late.
fn first(weights: &[u32], order: &[usize]) -> Vec<u32> {
    let mut straws = vec![0; weights.len()];
    let mut left = weights.len() as u32;
    let (mut straw, mut below, mut last) = (1.0, 0.0, 0.0);
    for (rank, index) in order.iter().enumerate() {
        let weight = weights[*index];
        if weight == 0 {
            continue;
        }
        straws[*index] = fixed(straw);
        let Some(next) = order.get(rank + 1) else { break };
        let heavier = weights[*next];
        if heavier == weight {
            continue;
        }
        below += (f64::from(weight) - last) * f64::from(left);
        let equals = order[rank + 1..].iter().take_while(|other| weights[**other] == heavier).count();
        left = left.wrapping_sub(equals as u32);
        straw = grow(straw, below, left, heavier - weight);
        last = f64::from(weight);
    }
    straws
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_get_equal_straws_and_zero_gets_none() {
        for version in [0, 1] {
            assert_eq!(lengths(&[0x10000; 3], version), vec![0x10000; 3]);
            let straws = lengths(&[0x20000, 0, 0x10000, 0x20000], version);
            assert_eq!(straws[1], 0);
            assert_eq!(straws[0], straws[3]);
            assert!(straws[0] > straws[2] && straws[2] == 0x10000);
        }
    }
}
