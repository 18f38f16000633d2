//! `nacre scrub`: has the copies of PGs compared, of as many as a person names at once.

use super::answer::{ask, nonsense, say_done};
use super::pg_scrub::{client, in_time};
use crate::cli::Global;
use crate::exit::Failure;
use placement_map::status::{Answer, PgRowView, PoolRow, Query};
use placement_map::{OsdId, PgId};

/// What is to be compared.
#[derive(clap::Args)]
pub(crate) struct ScrubArgs {
    /// A PG (2.1f), a pool's name, or an OSD (osd.3: the PGs that it holds); all PGs if absent.
    target: Option<String>,
    /// Read all data, hold it against its checksums and write again what fails them; else only what the indexes say is
    /// compared.
    #[arg(long)]
    deep: bool,
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, args: &ScrubArgs) -> Result<(), Failure> {
    let Answer::PgLs { pgs } = ask(global, Query::PgLs).await? else { return Err(nonsense()) };
    let Answer::PoolLs { pools } = ask(global, Query::PoolLs).await? else { return Err(nonsense()) };
    let wanted = chosen(args.target.as_deref(), &pgs, &pools).map_err(Failure::unusable)?;
    let Some(first) = wanted.first() else {
        return Err(Failure::no("there is no PG of that kind; `nacre pg ls` shows those that there are"));
    };
    let client = client(global, *first).await?;
    for pg in &wanted {
        in_time(*pg, client.scrub_pg(*pg, args.deep)).await?;
    }
    let what = if args.deep { "read through" } else { "compared" };
    let (n, s) = (wanted.len(), if wanted.len() == 1 { "" } else { "s" });
    say_done(global, &format!("{n} PG{s} will be {what}, a few at a time; `nacre pg ls` shows which are"));
    Ok(())
}

/// The PGs that a person means.
fn chosen(target: Option<&str>, pgs: &[PgRowView], pools: &[PoolRow]) -> Result<Vec<PgId>, String> {
    let those =
        |wanted: &dyn Fn(&PgRowView) -> bool| pgs.iter().filter(|pg| wanted(pg)).map(|pg| pg.pgid).collect();
    let Some(target) = target else { return Ok(those(&|_| true)) };
    // A pool may have any name, also one that looks like something else.
    if let Some(pool) = pools.iter().find(|pool| pool.name == target) {
        return Ok(those(&|pg| pg.pgid.pool == pool.id));
    }
    if let Some(osd) = target.strip_prefix("osd.").and_then(|n| n.parse().ok()).map(OsdId) {
        return Ok(those(&|pg| pg.acting.contains(&osd)));
    }
    match target.parse::<PgId>() {
        Ok(pg) => Ok(those(&|row| row.pgid == pg)),
        Err(_) => Err(format!("{target:?} is no PG (as 2.1f), no pool and no OSD (as osd.3)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::PoolId;

    fn pg(pool: u64, seed: u32, acting: &[u32]) -> PgRowView {
        PgRowView {
            pgid: PgId { pool: PoolId(pool), seed },
            state: String::new(),
            up: Vec::new(),
            acting: acting.iter().copied().map(OsdId).collect(),
            primary: None,
            objects: 0,
            bytes: 0,
            missing_copies: 0,
        }
    }

    #[test]
    fn a_target_is_a_pool_an_osd_a_pg_or_all() {
        let pgs = [pg(1, 0, &[0, 1]), pg(1, 1, &[2, 1]), pg(2, 0, &[0, 2])];
        let ids =
            |target| chosen(target, &pgs, &[]).map(|c| c.iter().map(PgId::to_string).collect::<Vec<_>>());
        assert_eq!(ids(None).unwrap(), ["1.0", "1.1", "2.0"]);
        assert_eq!(ids(Some("osd.2")).unwrap(), ["1.1", "2.0"]);
        assert_eq!(ids(Some("1.1")).unwrap(), ["1.1"]);
        assert_eq!(ids(Some("osd.7")).unwrap(), Vec::<String>::new());
        assert!(ids(Some("nothing")).unwrap_err().contains("no pool"));
    }
}
