//! The cluster's feature level rises.

use super::Answer;
use super::draft::Draft;
use crate::feature::level_said;
use crate::ids::Epoch;
use crate::refusal::{Refusal, RefusalKind};

/// Raises the level. It never falls: what was written at a level could not be read below it. Whether all daemons can do
/// it is the leader's to know, which asks for this only then.
pub(super) fn raise(draft: &mut Draft<'_>, level: u32, planned_for: Epoch) -> Result<Answer, Refusal> {
    if planned_for != draft.next.epoch {
        let text = format!("the map changed since epoch {planned_for}; an older daemon may have come");
        return Err(Refusal::new(RefusalKind::Unsafe, text));
    }
    let now = level_said(draft.next.feature_level);
    if level < now {
        let text = format!("the cluster is at feature level {now}, which never falls");
        return Err(Refusal::new(RefusalKind::Impossible, text));
    }
    draft.next.feature_level = level;
    Ok(Answer::Done)
}

/// Whether a daemon that says it can do `said` may take part.
pub(super) fn admit(draft: &Draft<'_>, who: &str, said: u32) -> Result<(), Refusal> {
    let (can, needs) = (level_said(said), level_said(draft.next.feature_level));
    if can >= needs {
        return Ok(());
    }
    let text = format!(
        "{who} runs a program of feature level {can}, and the cluster is at level {needs}: start it with a newer program"
    );
    Err(Refusal::new(RefusalKind::Impossible, text))
}
