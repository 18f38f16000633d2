//! Messages between the members of a PG.

use stdx::codec_enum;

/// Between members of a PG. Each carries the sender's interval; a member that knows a later one refuses.
#[derive(Clone, Debug, PartialEq)]
pub enum PgMessage {
    /// The receiver knows a later interval than the message it answers.
    Stale {
        /// The interval the receiver knows.
        interval: u64,
    },
}
codec_enum!(PgMessage { 0 => Stale { interval } });
