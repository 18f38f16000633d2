//! The feature level: when the leader raises it, and when a monitor is too old for it.

use crate::error::MonitorError;
use crate::view::View;
use placement_map::status::Volatile;
use placement_map::{ClusterMap, Command, FEATURE_LEVEL_BASE};
use std::collections::BTreeMap;
use wire_transport::Program;

/// What all voters can do: those that this one is not linked with count as old, since they might be.
pub(crate) fn voters_can(
    me: u64,
    mine: u32,
    voters: impl IntoIterator<Item = u64>,
    linked: &BTreeMap<u64, Program>,
) -> u32 {
    let of = |id: u64| match linked.get(&id) {
        _ if id == me => mine,
        Some(program) => program.level,
        None => FEATURE_LEVEL_BASE,
    };
    voters.into_iter().map(of).fold(mine, u32::min)
}

/// The command that raises the map's level, if all daemons can do more than it says and nobody wants it held back.
pub(crate) fn raise(map: &ClusterMap, seen: &Volatile, voters_can: u32) -> Option<Command> {
    let bound = map.setting("mon", "mon_feature_level_max").and_then(|v| v.parse().ok()).filter(|v| *v > 0);
    let level = seen.osds_can(map, voters_can).min(bound.unwrap_or(u32::MAX));
    let now = map.feature_level.max(FEATURE_LEVEL_BASE);
    (level > now).then_some(Command::FeatureLevel { level, planned_for: map.epoch })
}

/// Whether a program that can do `can` may keep this map.
pub(crate) fn suits(can: u32, needs: u32) -> Result<(), MonitorError> {
    if can >= needs { Ok(()) } else { Err(MonitorError::TooOld { can, needs }) }
}

/// Ends when the map's level is above what this program can do, which a leader asks for only by mistake; then entries may
/// come that it would carry out in another way than the others.
pub(crate) async fn outgrown(view: &View, can: u32) -> MonitorError {
    let mut news = view.subscribe();
    loop {
        if let Err(error) = suits(can, view.with(|state| state.map().feature_level)) {
            return error;
        }
        if news.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::stats::{Beacon, OsdStats};
    use placement_map::{Epoch, OsdId, OsdInfo, Uuid};

    fn program(level: u32) -> Program {
        Program { level, version: [0, 1, 0] }
    }

    #[test]
    fn the_oldest_voter_decides_and_who_is_not_linked_counts_as_old() {
        let linked = BTreeMap::from([(1, program(3)), (2, program(2))]);
        assert_eq!(voters_can(0, 3, [0, 1], &linked), 3);
        assert_eq!(voters_can(0, 3, [0, 1, 2], &linked), 2);
        assert_eq!(voters_can(0, 3, [0, 1, 7], &linked), FEATURE_LEVEL_BASE);
    }

    #[test]
    fn the_level_rises_once_every_osd_that_is_up_said_that_it_can_and_nobody_holds_it_back() {
        let mut map = ClusterMap { epoch: Epoch(9), feature_level: 1, ..ClusterMap::default() };
        let mut seen = Volatile::default();
        let raised = |level| Some(Command::FeatureLevel { level, planned_for: Epoch(9) });
        assert_eq!(raise(&map, &seen, 2), raised(2), "no OSD is up");
        for id in 0..2 {
            let osd = OsdInfo { up: true, up_from: Epoch(5), ..OsdInfo::new(Uuid::default()) };
            map.osds.insert(OsdId(id), osd);
        }
        let mut says = |id: u32, up_from: u32, feature_level| {
            let stats = OsdStats { feature_level, ..OsdStats::default() };
            let (osd, up_from) = (OsdId(id), Epoch(up_from));
            seen.beacon(&Beacon { osd, up_from, epoch: Epoch(9), stats, pgs: vec![] });
            seen.clone()
        };
        assert_eq!(raise(&map, &says(0, 5, 2), 2), None, "the other has not said anything");
        assert_eq!(raise(&map, &says(1, 4, 2), 2), None, "that was a former life");
        assert_eq!(raise(&map, &says(1, 5, 0), 2), None, "it is old");
        let all = says(1, 5, 2);
        assert_eq!(raise(&map, &all, 2), raised(2));
        assert_eq!(raise(&map, &all, 1), None, "a monitor is old");
        map.config.insert(("global".into(), "mon_feature_level_max".into()), "1".into());
        assert_eq!(raise(&map, &all, 2), None);
        map.config.clear();
        map.feature_level = 2;
        assert_eq!(raise(&map, &all, 2), None);
    }

    #[test]
    fn a_program_that_is_too_old_says_so() {
        assert!(suits(2, 2).is_ok());
        assert!(suits(1, 2).unwrap_err().to_string().contains("newer program"));
    }
}
