//! Dumps of CRUSH maps against what `crushtool --dump` printed (tests/vectors/PROVENANCE).

use crush::CrushMap;
use placement_map::crush_dump::CrushDump;
use serde_json::Value;

macro_rules! golden {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../crush/tests/vectors/", $name, ".bin")).as_slice(),
            include_str!(concat!("vectors/crush-dump/", $name, ".json")),
        )
    };
}

#[test]
fn dumps_are_those_of_crushtool() {
    let files = [
        golden!("dc48"),
        golden!("random202"),
        golden!("random204"),
        golden!("random215"),
        golden!("random243"),
        golden!("random259"),
        golden!("random300"),
    ];
    for (name, bytes, golden) in files {
        let map = CrushMap::decode(bytes).expect("Ceph's own bytes");
        // Through text, because reading a number from text may round it.
        let ours = serde_json::to_string(&CrushDump::of(&map)).expect("plain data");
        let ours: Value = serde_json::from_str(&ours).expect("sound");
        let theirs: Value = serde_json::from_str(golden).expect("Ceph's own words");
        for (part, theirs) in theirs.as_object().expect("an object") {
            assert_eq!(&ours[part], theirs, "{part} of {name}");
        }
        assert_eq!(ours.as_object().map(|parts| parts.len()), Some(6), "{name}");
    }
}
