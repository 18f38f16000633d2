//! Changes that must not be made, and what the ones that are made leave behind.

use crush::{Alg, ChooseArg, CrushMap, Error, Mode, Tunables, WEIGHT_ONE};

/// Two racks of two hosts of two devices each, ssd and hdd by turns.
fn small() -> CrushMap {
    let mut map = CrushMap::new_jewel();
    map.edit(|edit| {
        for device in 0..8 {
            let (host, rack) = (format!("h{}", device / 2), format!("r{}", device / 4));
            edit.insert_osd(device, WEIGHT_ONE, &[("root", "default"), ("rack", &rack), ("host", &host)])?;
            edit.set_device_class(device, Some(if device % 2 == 0 { "ssd" } else { "hdd" }))?;
        }
        edit.add_simple_rule("fast", "default", "host", Some("ssd"), Mode::Firstn)
    })
    .expect("a small map");
    map.validate().expect("a sound map");
    map
}

fn id(map: &CrushMap, name: &str) -> i32 {
    map.item_id(name).expect("named")
}

#[test]
fn weights_add_up_to_the_root() {
    let mut map = small();
    let root = id(&map, "default");
    assert_eq!(map.item_weight(root), Some(8 * WEIGHT_ONE));
    map.reweight_item(5, 3 * WEIGHT_ONE).expect("a device");
    assert_eq!(map.item_weight(root), Some(10 * WEIGHT_ONE));
    assert_eq!(map.item_weight(id(&map, "default~hdd")), Some(6 * WEIGHT_ONE));
    assert_eq!(map.item_weight(id(&map, "default~ssd")), Some(4 * WEIGHT_ONE));
    map.remove_item(5).expect("a device");
    assert_eq!(map.item_weight(root), Some(7 * WEIGHT_ONE));
    assert_eq!(map.device_class(5), None);
    let host = id(&map, "h3");
    map.reweight_item(host, 2 * WEIGHT_ONE).expect("a host");
    assert_eq!(map.item_weight(host), Some(4 * WEIGHT_ONE));
    map.move_bucket(host, &[("rack", "r9"), ("root", "default")]).expect("a new rack");
    let up = map.location_of(6);
    let names: Vec<&str> = up.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["h3", "r9", "default"]);
    assert_eq!(map.item_weight(root), Some(9 * WEIGHT_ONE));
    assert_eq!(map.ancestor_of_type(6, 3), map.item_id("r9"));
    map.validate().expect("a sound map");
}

#[test]
fn shadow_ids_outlive_changes_and_empty_classes_go() {
    let mut map = small();
    let shadows: Vec<i32> = ["default~ssd", "r0~ssd", "h1~hdd"].iter().map(|name| id(&map, name)).collect();
    map.insert_osd(8, WEIGHT_ONE, &[("host", "h0")]).expect("a device");
    map.set_device_class(8, Some("ssd")).expect("a class");
    assert_eq!(shadows, ["default~ssd", "r0~ssd", "h1~hdd"].map(|name| id(&map, name)));
    assert_eq!(map.devices_under(shadows[1]), [0, 2, 8]);
    for device in [1, 3, 5, 7] {
        map.set_device_class(device, None).expect("no class");
    }
    assert_eq!(map.item_id("default~hdd"), None);
    assert_eq!(map.classes().map(|(_, name)| name).collect::<Vec<_>>(), ["ssd"]);
    // A class that a rule takes stays, even without devices.
    for device in [0, 2, 4, 6, 8] {
        map.set_device_class(device, Some("hdd")).expect("a class");
    }
    assert!(map.item_id("default~ssd").is_some());
    assert!(map.do_rule(0, 1, 3, &[WEIGHT_ONE; 9], None).is_empty());
    map.validate().expect("a sound map");
}

#[test]
fn what_must_not_be_done_is_refused_and_changes_nothing() {
    let mut map = small();
    let before = map.clone();
    let (h0, r0, root) = (id(&map, "h0"), id(&map, "r0"), id(&map, "default"));
    let refused: [(Result<(), Error>, Error); 14] = [
        (
            map.insert_osd(3, WEIGHT_ONE, &[("host", "h9")]),
            Error::AlreadyThere { bucket: id(&map, "h1"), item: 3 },
        ),
        (map.insert_osd(-1, WEIGHT_ONE, &[("host", "h9")]), Error::BadDevice(-1)),
        (map.insert_osd(9, WEIGHT_ONE, &[]), Error::EmptyLocation { item: 9 }),
        (map.insert_osd(9, WEIGHT_ONE, &[("shelf", "s")]), Error::NoSuchType("shelf".into())),
        (map.insert_osd(9, WEIGHT_ONE, &[("host", "a b")]), Error::BadName("a b".into())),
        (
            map.insert_osd(9, 65_530 * WEIGHT_ONE, &[("host", "h0")]),
            Error::WeightOverflow { bucket: root, item: r0 },
        ),
        (
            map.insert_osd(9, WEIGHT_ONE, &[("host", "r0")]),
            Error::WrongType { bucket: "r0".into(), is: "rack".into(), wanted: "host".into() },
        ),
        (map.move_bucket(r0, &[("host", "h0")]), Error::TypeOrder { bucket: h0, item: r0 }),
        (map.move_bucket(-99, &[("host", "h0")]), Error::NoSuchItem(-99)),
        (map.remove_item(h0), Error::NotEmpty(h0)),
        (map.remove_item(77), Error::NoSuchItem(77)),
        (map.add_bucket("host", Alg::List, "h0").map(drop), Error::NameTaken("h0".into())),
        (
            map.add_simple_rule("fast", "default", "host", None, Mode::Firstn).map(drop),
            Error::NameTaken("fast".into()),
        ),
        (
            map.add_simple_rule("slow", "default", "host", Some("tape"), Mode::Firstn).map(drop),
            Error::NoSuchClass("tape".into()),
        ),
    ];
    for (result, wanted) in refused {
        assert_eq!(result, Err(wanted));
    }
    assert_eq!(map, before);
    assert_eq!(Error::NotEmpty(-1).to_string(), "bucket -1 has items; remove or move them first");
}

#[test]
fn a_bucket_that_a_rule_takes_stays() {
    let mut map = CrushMap::new_jewel();
    let root = map.add_bucket("root", Alg::Straw2, "default").expect("a root");
    let rule = map.add_simple_rule("r", "default", "host", None, Mode::Indep).expect("a rule");
    assert_eq!(map.remove_item(root), Err(Error::InUse { item: root, rule }));
    map.remove_rule(rule).expect("a rule");
    assert_eq!(map.remove_rule(rule), Err(Error::NoSuchRule(rule)));
    map.remove_item(root).expect("an empty root");
    assert_eq!(map.buckets().count(), 0);
}

#[test]
fn weight_sets_follow_their_buckets() {
    let mut map = small();
    let (h0, r0) = (id(&map, "h0"), id(&map, "r0"));
    map.edit(|edit| {
        edit.set_choose_arg(-1, h0, ChooseArg { ids: vec![], weight_set: vec![vec![1000, 2000]] })?;
        edit.set_choose_arg(-1, r0, ChooseArg { ids: vec![], weight_set: vec![vec![3000, 70_000]] })
    })
    .expect("weight sets");
    map.validate().expect("a sound map");
    map.insert_osd(8, WEIGHT_ONE, &[("host", "h0")]).expect("a device");
    assert_eq!(map.choose_args()[&-1][&h0].weight_set, [[1000, 2000, WEIGHT_ONE]]);
    assert_eq!(map.choose_args()[&-1][&r0].weight_set, [[3000 + WEIGHT_ONE, 70_000]]);
    map.remove_item(0).expect("a device");
    assert_eq!(map.choose_args()[&-1][&h0].weight_set, [[2000, WEIGHT_ONE]]);
    assert_eq!(map.choose_args()[&-1][&r0].weight_set, [[2000 + WEIGHT_ONE, 70_000]]);
    map.validate().expect("a sound map");
    let fault = map.edit(|edit| edit.set_choose_arg(3, h0, ChooseArg { ids: vec![1], weight_set: vec![] }));
    assert_eq!(fault, Err(Error::BadChooseArgs { set: 3, bucket: h0 }));
    map.edit(|edit| edit.remove_choose_args(-1)).expect("a set");
    assert!(map.choose_args().is_empty());
}

#[test]
fn tunables_have_cephs_profiles() {
    assert_eq!(Tunables::profile("optimal"), Some(Tunables::JEWEL));
    assert_eq!(Tunables::profile("argonaut"), Some(Tunables::LEGACY));
    assert_eq!(Tunables::profile("tuesday"), None);
    assert_eq!(Tunables::LEGACY.default_alg(), Alg::Straw);
    let mut map = small();
    map.edit(|edit| edit.set_tunables(Tunables::HAMMER)).expect("tunables");
    assert_eq!(map.tunables(), &Tunables::HAMMER);
}
