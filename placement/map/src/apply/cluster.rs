//! The beginning of a cluster.

use super::Answer;
use super::draft::Draft;
use crate::command::Bootstrap;
use crate::feature::level_said;
use crate::refusal::{Refusal, RefusalKind};
use crush::Alg;

/// The bucket that everything hangs below.
pub(super) const ROOT: &str = "default";

pub(super) fn bootstrap(draft: &mut Draft<'_>, wanted: &Bootstrap) -> Result<Answer, Refusal> {
    if draft.next.epoch.0 > 0 {
        // A founder that starts again after a crash proposes the same once more.
        if draft.next.fsid == wanted.fsid {
            return Ok(Answer::Done);
        }
        let text = format!("the cluster was made already; its fsid is {}", draft.next.fsid);
        return Err(Refusal::new(RefusalKind::Exists, text));
    }
    if wanted.monitors.is_empty() {
        return Err(Refusal::invalid("a cluster needs at least one monitor"));
    }
    draft.next.crush.make_mut().add_bucket("root", Alg::Straw2, ROOT)?;
    draft.next.fsid = wanted.fsid;
    draft.next.created = draft.at;
    // Not this build's own level: other monitors carry the same command out.
    draft.next.feature_level = level_said(wanted.feature_level);
    draft.next.monitors = wanted.monitors.iter().cloned().collect();
    for (section, key, value) in &wanted.config {
        super::config::set(draft, section, key, value)?;
    }
    Ok(Answer::Done)
}
