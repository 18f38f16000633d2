//! How much memory an operation is charged for while it is in flight.

use osd_object::Op;
use wire_transport::{QUEUE_FRAMES_MAX, QUEUE_KIB_MAX};

/// What a client may have in flight, KiB: less than a link's send queue takes.
pub(crate) const ROOM_KIB: usize = 48 * 1024;
/// The most operations in flight; less than a link's send queue takes.
pub(crate) const OPERATIONS_MAX: usize = 1000;
// All of it may go to one OSD. If that overflowed its queue, the driver would connect anew for ever.
const _: () = assert!(ROOM_KIB + OPERATIONS_MAX < QUEUE_KIB_MAX && OPERATIONS_MAX < QUEUE_FRAMES_MAX);
/// A read is charged for at most so much, so that large reads still overlap.
const READ_CHARGE_MAX: u64 = 1 << 20;
/// A read to the end of an object of unknown size.
const READ_CHARGE_UNKNOWN: u64 = 64 << 10;

/// The share of `ROOM_KIB`, at least what makes `OPERATIONS_MAX` of them fill it.
pub(crate) fn charge_kib(ops: &[Op]) -> u32 {
    let bytes: u64 = ops.iter().map(charge).fold(0, u64::saturating_add);
    let least = (ROOM_KIB / OPERATIONS_MAX) as u64;
    // Never more than there is: an operation that is too large must get its turn to be refused.
    bytes.div_ceil(1024).clamp(least, ROOM_KIB as u64) as u32
}

fn charge(op: &Op) -> u64 {
    match op {
        Op::Write { data, .. } | Op::WriteFull { data } | Op::Append { data } => data.len() as u64,
        Op::Call { input, .. } => input.len() as u64,
        Op::SetXattr { name, value } | Op::CmpXattr { name, value, .. } => (name.len() + value.len()) as u64,
        Op::OmapSet { rows } => rows.iter().map(|(k, v)| (k.len() + v.len()) as u64).sum(),
        Op::CmpOmap { key, value, .. } => (key.len() + value.len()) as u64,
        Op::OmapRm { keys } | Op::OmapGet { keys } => keys.iter().map(|k| k.len() as u64).sum(),
        Op::Read { len: 0, .. } => READ_CHARGE_UNKNOWN,
        Op::Read { len, .. } => (*len).min(READ_CHARGE_MAX),
        Op::OmapGetRange { range } => u64::from(range.bytes_max).min(READ_CHARGE_UNKNOWN),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn charges_are_bounded_on_both_sides() {
        assert_eq!(charge_kib(&[Op::Stat]) as usize, ROOM_KIB / OPERATIONS_MAX);
        assert_eq!(charge_kib(&[Op::WriteFull { data: Bytes::from(vec![0; 4 << 20]) }]), 4096);
        assert_eq!(charge_kib(&[Op::Read { offset: 0, len: u64::MAX }]), 1024);
        let huge = vec![Op::Read { offset: 0, len: u64::MAX }; 100];
        assert_eq!(charge_kib(&huge) as usize, ROOM_KIB);
    }
}
