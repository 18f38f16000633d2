//! A map and the placement that follows from it, kept together.

use placement_map::{ClusterMap, Epoch, Mapping};
use std::sync::Arc;
use wire_codec::mon::MapUpdate;

/// One epoch, ready for use. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) map: Arc<ClusterMap>,
    pub(crate) mapping: Arc<Mapping>,
}

/// An update that does not follow what we have: subscribe anew.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfStep;

impl View {
    pub(crate) fn epoch(&self) -> Epoch {
        self.map.epoch
    }

    /// The views that an update leads through, one per epoch. What is known already is passed over.
    pub(crate) fn follow(&self, update: MapUpdate) -> Result<Vec<View>, OutOfStep> {
        match update {
            MapUpdate::Same => Ok(Vec::new()),
            MapUpdate::Full(map) if map.epoch <= self.epoch() => Ok(Vec::new()),
            MapUpdate::Full(map) => {
                let mapping = Arc::new(Mapping::of(&map));
                Ok(vec![View { map: Arc::new(*map), mapping }])
            }
            MapUpdate::Incrementals(steps) => {
                let mut out: Vec<View> = Vec::new();
                for step in steps {
                    let last = out.last().unwrap_or(self);
                    if step.epoch <= last.epoch() {
                        continue;
                    }
                    let mut map = (*last.map).clone();
                    map.apply_incremental(&step).map_err(|_| OutOfStep)?;
                    let mapping = if step.moves_placement() {
                        Arc::new(Mapping::of(&map))
                    } else {
                        last.mapping.clone()
                    };
                    out.push(View { map: Arc::new(map), mapping });
                }
                Ok(out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::Incremental;

    fn at(epoch: u32) -> ClusterMap {
        ClusterMap { epoch: Epoch(epoch), ..ClusterMap::default() }
    }
    fn step(to: u32) -> Incremental {
        Incremental::between(&at(to - 1), &at(to))
    }
    fn epochs(r: Result<Vec<View>, OutOfStep>) -> Vec<u32> {
        r.unwrap().iter().map(|v| v.epoch().0).collect()
    }

    #[test]
    fn a_view_follows_updates_epoch_by_epoch_and_notices_gaps() {
        let none = View::default();
        let views = none.follow(MapUpdate::Full(Box::new(at(5)))).unwrap();
        let five = &views[0];
        assert_eq!(epochs(five.follow(MapUpdate::Incrementals(vec![step(5), step(6), step(7)]))), [6, 7]);
        assert_eq!(five.follow(MapUpdate::Incrementals(vec![step(7)])).unwrap_err(), OutOfStep);
        assert_eq!(epochs(five.follow(MapUpdate::Full(Box::new(at(4))))), [0u32; 0]);
        assert_eq!(epochs(five.follow(MapUpdate::Same)), [0u32; 0]);
    }
}
