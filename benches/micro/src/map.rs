//! All PGs of a map of 100,000 PGs and 10,000 OSDs, right after one OSD failed.

use crate::clock;
use crate::worlds;
use benches_row::{Better, Row};
use placement_map::{Mapping, OsdId};

const PGS: u32 = 100_000;
/// More would be felt by everybody after each failure.
const LIMIT_SECONDS: f64 = 1.0;

pub(crate) fn run(quick: bool) -> Result<Vec<Row>, String> {
    let pgs = if quick { PGS / 10 } else { PGS };
    let mut map = worlds::cluster(1_000, pgs).map_err(|error| error.to_string())?;
    let before = Mapping::of(&map);
    // Down and out at once: CRUSH then has to choose again wherever the OSD was.
    let osd = map.osds.get_mut(&OsdId(17)).ok_or("osd.17 is missing")?;
    (osd.up, osd.weight) = (false, 0);
    let started = clock::own()?;
    let after = Mapping::of(&map);
    let ours = clock::own()? - started;
    let changed = after.iter().filter(|(pg, up)| before.up(*pg) != Some(up)).count();
    if changed == 0 {
        return Err("nothing moved".to_owned());
    }
    println!("map: {changed} PGs changed");
    let case = format!("map: {pgs} PGs on 10,000 OSDs after one failed");
    Ok(vec![Row::new(case, "s", Better::Less, ours).within(LIMIT_SECONDS)])
}
