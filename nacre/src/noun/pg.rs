//! `nacre pg`: placement groups.

use super::answer::{ask, nonsense, order, show};
use super::pg_scrub;
use crate::cli::{Global, PgCommand};
use crate::exit::Failure;
use crate::{size, table};
use placement_map::status::{Answer, PgDetail, PgRowView, Query};
use placement_map::{Command, OsdId, PgId};

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &PgCommand) -> Result<(), Failure> {
    let query = match command {
        PgCommand::Ls => Query::PgLs,
        PgCommand::Query { pgid } => Query::PgQuery(*pgid),
        PgCommand::Scrub { pgid } => return pg_scrub::order(global, *pgid, false).await,
        PgCommand::DeepScrub { pgid } | PgCommand::Repair { pgid } => {
            return pg_scrub::order(global, *pgid, true).await;
        }
        PgCommand::ListInconsistent { pgid } => return pg_scrub::list_inconsistent(global, *pgid).await,
        PgCommand::Recreate { pgid, yes_i_really_really_mean_it } => {
            return recreate(global, *pgid, *yes_i_really_really_mean_it).await;
        }
    };
    let answer = ask(global, query).await?;
    match &answer {
        Answer::PgLs { pgs } => show(global, &answer, || list(pgs)),
        Answer::PgQuery(detail) => show(global, &answer, || explain(detail)),
        _ => Err(nonsense()),
    }
}

async fn recreate(global: &Global, pg: PgId, meant: bool) -> Result<(), Failure> {
    if !meant {
        return Err(Failure::unusable(format!(
            "this gives up objects of PG {pg} for good, while an old store that is brought back may still have them; say \
             `nacre pg recreate {pg} --yes-i-really-really-mean-it` if that is what you want"
        )));
    }
    order(global, Command::PgRecreate { pg }, &format!("PG {pg} begins anew")).await.map(drop)
}

fn set(osds: &[OsdId]) -> String {
    format!("[{}]", osds.iter().map(OsdId::short).collect::<Vec<_>>().join(","))
}

fn primary(osd: Option<OsdId>) -> String {
    osd.map_or("-".into(), |o| o.0.to_string())
}

fn list(pgs: &[PgRowView]) -> String {
    let row = |pg: &PgRowView| {
        vec![
            pg.pgid.to_string(),
            pg.state.clone(),
            set(&pg.up),
            set(&pg.acting),
            primary(pg.primary),
            pg.objects.to_string(),
            size::show(pg.bytes),
            pg.missing_copies.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = pgs.iter().map(row).collect();
    table::render(&["PG", "STATE", "UP", "ACTING", "PRIMARY", "OBJECTS", "BYTES", "MISSING"], &rows)
}

fn explain(d: &PgDetail) -> String {
    let mut out = list(std::slice::from_ref(&d.view));
    let PgDetail { interval, revision, last_update, .. } = d;
    let held = set(&d.in_sync);
    out += &format!("in sync {held}, interval {interval}, revision {revision}, last update {last_update}\n");
    out += &format!(
        "last scrub {}, last deep scrub {}, {} inconsistent objects\n",
        pg_scrub::ago(d.last_scrub_stamp),
        pg_scrub::ago(d.last_deep_scrub_stamp),
        d.inconsistent
    );
    for sentence in &d.explanation {
        out += &format!("  {sentence}\n");
    }
    out
}
