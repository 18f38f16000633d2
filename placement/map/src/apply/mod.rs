//! `apply`: one command, one step of the replicated state. Pure, deterministic, total: every monitor computes the
//! same map, rows, reply and incremental from the same log.
//!
//! A command works on a draft of the map and notes what happened to OSDs. Then [`settle`] carries the row rules
//! out for every PG concerned, publishes stand-ins (pg_temp) in the same commit, and mints one epoch if the map
//! changed at all.

mod boot;
mod cluster;
mod config;
mod crush_change;
mod draft;
mod ec;
mod feature_level;
mod keys;
mod monitors;
mod pool;
mod pool_create;
mod pool_pgs;
mod pool_rule;
mod reports;
mod settle;
mod snaps;
mod weights;

#[cfg(test)]
mod apply_test;
#[cfg(test)]
mod ec_test;
#[cfg(test)]
mod pool_pgs_test;
#[cfg(test)]
mod pool_rule_test;
#[cfg(test)]
mod property_test;
#[cfg(test)]
mod upmaps_test;

pub use monitors::mon_add_refusal;
pub use pool_pgs::placement_due;
pub(crate) use pool_rule::hosts_suffice;

use crate::command::{Command, CommandReply};
use crate::ids::{OsdId, PgId};
use crate::incremental::Incremental;
use crate::pg_row::PgRow;
use crate::refusal::Refusal;
use crate::state::ClusterState;
use draft::Draft;
use stdx::time::WallTime;

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer to whoever asked. A refused command changed nothing.
    pub reply: Result<CommandReply, Refusal>,
    /// The new epoch, if the map changed.
    pub incremental: Option<Incremental>,
    /// Rows that changed, by PG. They carry `rows_version()` of the state after this command.
    pub rows: Vec<(PgId, PgRow)>,
}

/// What a command answers before its epoch is known.
enum Answer {
    Done,
    Osd(OsdId),
    Pool(crate::ids::PoolId),
    Rows(u32),
    Snap(u64),
}

impl ClusterState {
    /// Carries a command out. `at` is the proposing leader's time of day: shown to people and used for grace
    /// periods of minutes, never for safety.
    pub fn apply(&mut self, at: WallTime, command: &Command) -> Applied {
        let mut draft = Draft::new(self, at);
        let answer = match dispatch(&mut draft, command) {
            Ok(answer) => answer,
            Err(refusal) => return Applied { reply: Err(refusal), incremental: None, rows: Vec::new() },
        };
        let settled = settle::settle(draft);
        let incremental = settled.map.as_ref().map(|next| Incremental::between(self.map(), next));
        self.replace(settled.map, settled.mapping, &settled.rows, &settled.gone, settled.config_log);
        let epoch = self.map().epoch;
        let reply = match answer {
            Answer::Done => CommandReply::Done { epoch },
            Answer::Osd(id) => CommandReply::Osd { id, epoch },
            Answer::Pool(id) => CommandReply::Pool { id, epoch },
            Answer::Snap(id) => CommandReply::Snap { id, epoch },
            Answer::Rows(taken) => CommandReply::Rows { taken },
        };
        Applied { reply: Ok(reply), incremental, rows: settled.rows.into_iter().collect() }
    }
}

fn dispatch(draft: &mut Draft<'_>, command: &Command) -> Result<Answer, Refusal> {
    let bootstrapped = draft.next.epoch.0 > 0;
    if !bootstrapped && !matches!(command, Command::Bootstrap(_)) {
        return Err(Refusal::new(
            crate::refusal::RefusalKind::Impossible,
            "the cluster was not made yet; run `nacre up` or `nacre cluster init` first",
        ));
    }
    draft.next.too_new(command.level())?;
    match command {
        Command::FeatureLevel { level, planned_for } => feature_level::raise(draft, *level, *planned_for),
        Command::OsdStopped { osd, incarnation } => reports::stopped(draft, *osd, *incarnation),
        Command::ConfigChange { who, changes } => config::change(draft, who, changes),
        Command::ConfigReset { who, version } => config::reset(draft, who, *version),
        Command::Bootstrap(bootstrap) => cluster::bootstrap(draft, bootstrap),
        Command::OsdNew { id, uuid } => boot::osd_new(draft, *id, *uuid),
        Command::OsdBoot(osd) => boot::osd_boot(draft, osd),
        Command::MarkDown { osds } => reports::mark_down(draft, osds),
        Command::MarkOut { osds, automatic } => weights::mark_out(draft, osds, *automatic),
        Command::MarkIn { osds } => weights::mark_in(draft, osds),
        Command::OsdReweight { osd, weight } => weights::reweight(draft, *osd, *weight),
        Command::CrushReweight { osd, weight } => weights::crush_reweight(draft, *osd, *weight),
        Command::PrimaryAffinity { osd, affinity } => weights::primary_affinity(draft, *osd, *affinity),
        Command::OsdRm { osd, force } => boot::osd_rm(draft, *osd, *force),
        Command::PoolCreate(create) => pool_create::create(draft, create),
        Command::PoolSet { name, key, value } => pool::set(draft, name, key, value),
        Command::PoolRm { name } => pool::remove(draft, name),
        Command::SnapCreate { pool } => snaps::create(draft, *pool),
        Command::SnapRemove { pool, snap } => snaps::remove(draft, *pool, *snap),
        Command::Rows(changes) => reports::rows(draft, changes),
        Command::PgRecreate { pg } => reports::recreate(draft, *pg),
        Command::PgUpmapItems { pg, items } => weights::upmap_items(draft, *pg, items),
        Command::Upmaps { planned_for, items } => weights::upmaps(draft, *planned_for, items),
        Command::ConfigSet { section, key, value } => {
            config::set(draft, section, key, value)?;
            config::fits(draft).map(|()| Answer::Done)
        }
        Command::ConfigRm { section, key } => {
            config::remove(draft, section, key)?;
            config::fits(draft).map(|()| Answer::Done)
        }
        Command::EcProfileSet { name, profile } => ec::set(draft, name, profile),
        Command::MonAdd { name, addr } => monitors::add(draft, name, *addr),
        Command::MonRm { name } => monitors::remove(draft, name),
        Command::KeysSet { name, keys } => keys::set(draft, name, keys),
        Command::KeysRm { name } => keys::remove(draft, name),
        Command::EcProfileRm { name } => ec::remove(draft, name),
        Command::SetFlag { flag, on } => config::set_flag(draft, flag, *on),
        Command::Crush { change, force } => crush_change::apply(draft, change, *force),
    }
}
