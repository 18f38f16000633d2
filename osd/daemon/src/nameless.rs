//! Objects without a name are not made: no listing, command or S3 client could name them.

use osd_object::op::Op;
use wire_codec::OpTarget;

/// Whether an operation would make an object with an empty name. One that is there already can be read and deleted.
pub(crate) fn makes_nameless(target: &OpTarget) -> bool {
    match target {
        OpTarget::Object { object, ops } => object.name.name.is_empty() && ops.iter().any(makes),
        _ => false,
    }
}

fn makes(op: &Op) -> bool {
    matches!(
        op,
        Op::Create { .. }
            | Op::Write { .. }
            | Op::WriteFull { .. }
            | Op::WriteSame { .. }
            | Op::Append { .. }
            | Op::Zero { .. }
            | Op::Truncate { .. }
            | Op::SetXattr { .. }
            | Op::OmapSet { .. }
            | Op::Rollback { .. }
            | Op::Call { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use osd_object::{ObjectId, ObjectName};
    use placement_map::PoolId;

    #[test]
    fn nothing_is_made_without_a_name_and_what_is_there_can_go() {
        let target = |name: &str, ops: Vec<Op>| OpTarget::Object {
            object: ObjectId::head(PoolId(1), 7, ObjectName::new(name)),
            ops,
        };
        let put = || vec![Op::AssertExists, Op::WriteFull { data: bytes::Bytes::from_static(b"x") }];
        assert!(makes_nameless(&target("", put())));
        assert!(!makes_nameless(&target("a", put())));
        assert!(!makes_nameless(&target("", vec![Op::Stat, Op::Delete])));
    }
}
