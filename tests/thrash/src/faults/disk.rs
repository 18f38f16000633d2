//! A disk is lost for good: its data directory is removed, the OSD is removed from the cluster, and a new one is added.

use super::Injector;
use std::time::{Duration, Instant};

/// How long the cluster may take to notice that the OSD is gone, and to let it be removed.
const RM_PATIENCE: Duration = Duration::from_secs(120);
/// How long a new OSD may take to be there.
const ADD_PATIENCE: Duration = Duration::from_secs(120);

/// Takes one away, while every PG is whole, and puts an empty one in its place.
pub(super) fn wipe(injector: &mut Injector<'_>) {
    let Some(n) = injector.healthy_osd() else { return };
    let osd = format!("osd.{n}");
    injector.tell(&format!("wipe-osd {osd}"));
    injector.run.report.fault("wipe-osd");
    injector.run.report.now(format!("{osd} lost its disk"));
    injector.stage.kill(&osd);
    let store = injector.stage.cluster.dir().join(&osd);
    std::fs::remove_dir_all(&store).unwrap_or_else(|e| panic!("{}: {e}", store.display()));
    let number = n.to_string();
    // Refused while it counts as up, and while a PG waits for it.
    if !keep_asking(injector, &["osd", "rm", &number], RM_PATIENCE, |_| false) {
        return;
    }
    injector.tell(&format!("{osd} is removed"));
    let before = injector.stage.osds();
    // It may be made and started, and too slow for the command.
    if keep_asking(injector, &["osd", "add"], ADD_PATIENCE, |i| i.stage.osds().len() > before.len()) {
        injector.refilling = true;
        let stage = &mut *injector.stage;
        for new in stage.osds().into_iter().filter(|n| !before.contains(n)) {
            stage.give_address(new);
        }
        injector.tell("a new OSD is there");
        injector.note();
    }
}

fn keep_asking(
    injector: &mut Injector<'_>,
    order: &[&str],
    patience: Duration,
    done_anyway: impl Fn(&Injector<'_>) -> bool,
) -> bool {
    let begun = Instant::now();
    loop {
        match injector.stage.order(order) {
            Ok(_) => return true,
            Err(_) if done_anyway(injector) => return true,
            Err(why) if begun.elapsed() > patience => {
                injector.run.broken(format!("not within {} s: {why}", patience.as_secs()));
                return false;
            }
            Err(_) => injector.run.pace(Duration::from_secs(1)),
        }
    }
}
