//! The tunables of a dump, with what they ask of old clients.

use crush::{Alg, CrushMap, Op};
use serde::Serialize;

/// The numbers, the profile they make, and the oldest Ceph release whose clients can follow. Switches are 0 or 1.
#[derive(Debug, Serialize)]
pub(super) struct Tunables {
    choose_local_tries: u32,
    choose_local_fallback_tries: u32,
    choose_total_tries: u32,
    chooseleaf_descend_once: u32,
    chooseleaf_vary_r: u8,
    chooseleaf_stable: u8,
    straw_calc_version: u8,
    allowed_bucket_algs: u32,
    profile: &'static str,
    optimal_tunables: u8,
    legacy_tunables: u8,
    minimum_required_version: &'static str,
    require_feature_tunables: u8,
    require_feature_tunables2: u8,
    has_v2_rules: u8,
    require_feature_tunables3: u8,
    has_v3_rules: u8,
    has_v4_buckets: u8,
    require_feature_tunables5: u8,
    has_v5_rules: u8,
}

/// The profiles with numbers of their own, the newest first.
const PROFILES: [(&str, crush::Tunables); 5] = [
    ("jewel", crush::Tunables::JEWEL),
    ("hammer", crush::Tunables::HAMMER),
    ("firefly", crush::Tunables::FIREFLY),
    ("bobtail", crush::Tunables::BOBTAIL),
    ("argonaut", crush::Tunables::LEGACY),
];

impl Tunables {
    pub(super) fn of(map: &CrushMap) -> Tunables {
        let is = map.tunables();
        let legacy = crush::Tunables::LEGACY;
        // The calculation of straw lengths is not part of a profile.
        let same = |other: &crush::Tunables| {
            *is == crush::Tunables {
                straw_calc_version: is.straw_calc_version,
                msr_descents: is.msr_descents,
                msr_collision_tries: is.msr_collision_tries,
                ..*other
            }
        };
        let profile = PROFILES.iter().find(|(_, of)| same(of)).map_or("unknown", |(name, _)| *name);
        let asks =
            |ops: &[Op]| map.rules().any(|(_, rule)| rule.steps.iter().any(|step| ops.contains(&step.op)));
        let v2 = [Op::ChooseIndep, Op::ChooseleafIndep, Op::SetChooseTries, Op::SetChooseleafTries];
        let (v2, v3, v5) = (asks(&v2), asks(&[Op::SetChooseleafVaryR]), asks(&[Op::SetChooseleafStable]));
        let v4 = map.buckets().any(|bucket| bucket.alg() == Alg::Straw2);
        let tunables = is.choose_local_tries != legacy.choose_local_tries
            || is.choose_local_fallback_tries != legacy.choose_local_fallback_tries
            || is.choose_total_tries != legacy.choose_total_tries;
        let tunables2 = is.chooseleaf_descend_once != 0;
        let tunables3 = is.chooseleaf_vary_r != 0;
        let tunables5 = is.chooseleaf_stable != 0;
        let minimum_required_version = if v5 || tunables5 {
            "jewel"
        } else if v4 {
            "hammer"
        } else if v3 || tunables3 {
            "firefly"
        } else if v2 || tunables2 || tunables {
            "bobtail"
        } else {
            "argonaut"
        };
        Tunables {
            choose_local_tries: is.choose_local_tries,
            choose_local_fallback_tries: is.choose_local_fallback_tries,
            choose_total_tries: is.choose_total_tries,
            chooseleaf_descend_once: is.chooseleaf_descend_once,
            chooseleaf_vary_r: is.chooseleaf_vary_r,
            chooseleaf_stable: is.chooseleaf_stable,
            straw_calc_version: is.straw_calc_version,
            allowed_bucket_algs: is.allowed_bucket_algs,
            profile,
            optimal_tunables: u8::from(profile == "jewel"),
            legacy_tunables: u8::from(profile == "argonaut"),
            minimum_required_version,
            require_feature_tunables: u8::from(tunables),
            require_feature_tunables2: u8::from(tunables2),
            has_v2_rules: u8::from(v2),
            require_feature_tunables3: u8::from(tunables3),
            has_v3_rules: u8::from(v3),
            has_v4_buckets: u8::from(v4),
            require_feature_tunables5: u8::from(tunables5),
            has_v5_rules: u8::from(v5),
        }
    }
}
