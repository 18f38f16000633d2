//! Input that nobody vouches for: errors that say where, never a panic, a hang or a flood of memory.

mod support;

use crush::{CrushMap, DecodeFault, Error, Fault, WEIGHT_ONE};
use support::{Random, random_map};

const TYPES: &str = "type 0 osd\ntype 1 host\ntype 2 root\n";

/// The fault of a text, as `line:column message`.
fn fault(text: &str) -> String {
    let error = CrushMap::compile(text).expect_err("a bad text");
    format!("{}:{} {}", error.line, error.column, error.fault)
}

#[test]
fn text_faults_have_a_place_and_name_the_item() {
    let cases = [
        ("tunable nonsense 3", "1:9 unknown tunable 'nonsense'"),
        ("tunable chooseleaf_vary_r 300", "1:27 300 is out of range for this tunable"),
        ("device 0 osd.0\ndevice 1 osd.0", "2:10 item 'osd.0' is defined already"),
        ("device x osd.0", "1:8 a device number expected, found 'x'"),
        ("device 0 osd/0", "1:13 '/' cannot stand in a map"),
        ("device 99999999999999999999 a", "1:8 99999999999999999999 is out of range for a device number"),
        ("shelf s { alg straw2 }", "1:1 type 'shelf' is not defined"),
        ("type 1 host\nhost h {", "2:9 alg expected, the text ends here"),
        ("type 1 host\nhost h { alg magic }", "2:14 unknown bucket algorithm 'magic'"),
        ("type 1 host\nhost h { alg straw2 item osd.7 }", "2:26 item 'osd.7' is not defined"),
        ("type 1 host\nhost h { alg straw2\n\titem h weight 1.0 }", "3:7 item 'h' is not defined"),
        ("type 1 host\nhost h { id -99999999 alg list }", "2:13 -99999999 is out of range for a bucket id"),
        ("type 1 host\nhost h { alg list }\nhost h { alg list }", "3:6 item 'h' is defined already"),
        ("type 1 h\nh a { id -1 alg list }\nh b { id -1 alg list }", "3:7 the id -1 is taken"),
        (
            "device 0 a\ntype 1 h\nh h { alg list item a weight 100.1 }",
            "3:30 100.1 is out of range for a device's weight (at most 100)",
        ),
        ("device 0 a\ntype 1 h\nh h { alg list item a weight -1 }", "3:30 -1 is out of range for a weight"),
        ("device 0 a\ntype 1 h\nh h { alg list item a weight nan }", "3:30 a weight expected, found 'nan'"),
        (
            "device 0 a\ntype 1 h\nh h { alg list item a pos 1 }",
            "3:21 position 1 of item 'a' is taken or beyond the bucket's size",
        ),
        (
            "device 0 a\ndevice 1 b\ntype 1 h\nh h { alg uniform item a weight 1 item b weight 2 }",
            "4:40 item 'b' must weigh what the other items of its uniform bucket weigh",
        ),
        (
            "type 1 h\nh a { alg list item b }\nh b { alg list item a }",
            "2:3 buckets 'a' and 'b' hold each other",
        ),
        ("rule r { id 0 type replicated step take gone step emit }", "1:41 item 'gone' is not defined"),
        ("rule r { id 0 type replicated }", "1:31 'step' expected, found '}'"),
        ("rule r { id 0 type raid4 step emit }", "1:20 unknown rule type 'raid4'"),
        ("rule r { id 256 type erasure step emit }", "1:13 256 is out of range for a rule id"),
        (
            "rule r { id 0 type erasure step choose some 1 type a }",
            "1:40 'firstn' or 'indep' expected, found 'some'",
        ),
        (
            "rule r { id 0 type erasure step emit }\nrule q { id 0 type erasure step emit }",
            "2:13 rule '0' is defined already",
        ),
        ("choose_args 0 { { bucket_id -1 } }", "1:29 bucket '-1' is not defined"),
        (
            "type 1 h\nh a { id -1 alg straw2 }\nchoose_args 0 { { bucket_id -1 ids [ 3 ] } }",
            "3:29 0 numbers needed, one for each item of the bucket; found 1",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(fault(text), wanted, "{text}");
    }
    let overflow =
        (0..3).map(|n| format!("h h{n} {{ alg list item x{n} weight 30000 }}\n")).collect::<String>();
    let lower = (0..3).map(|n| format!("h x{n} {{ alg list }}\n")).collect::<String>();
    let text = format!("type 1 h\n{lower}{overflow}h top {{ alg list item h0 item h1 item h2 }}");
    assert!(fault(&text).ends_with("takes bucket -7 over 65535"), "{}", fault(&text));
}

#[test]
fn a_text_cut_anywhere_never_panics() {
    let text = random_map(&mut Random(7)).text;
    let mut errors = 0;
    for cut in 0..text.len() {
        errors += usize::from(CrushMap::compile(&text[..cut]).is_err());
    }
    assert!(errors > text.len() / 2);
}

#[test]
fn bytes_cut_or_changed_anywhere_never_panic_and_map_in_bounded_time() {
    for seed in 0..12 {
        let random = &mut Random(seed);
        let bytes = CrushMap::compile(&random_map(random).text).expect("a sound text").encode();
        for cut in 0..bytes.len() {
            let _ = CrushMap::decode(&bytes[..cut]);
        }
        for _ in 0..120 {
            let mut bytes = bytes.clone();
            for _ in 0..1 + random.below(4) {
                let place = random.below(bytes.len());
                bytes[place] = match random.below(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => bytes[place] ^ (1 << random.below(8)),
                    _ => random.next() as u8,
                };
            }
            let Ok(map) = CrushMap::decode(&bytes) else { continue };
            let again = CrushMap::decode(&map.encode()).expect("what we write, we read");
            assert_eq!(again, map);
            let _ = map.decompile();
            // What passes validation can be mapped with; what does not, too, only to no purpose.
            let sound = map.validate().is_ok();
            for rule in 0..3 {
                let devices = map.do_rule(rule, 5, 4, &[WEIGHT_ONE; 64], Some(0));
                assert!(devices.len() <= 4);
                let real = |device: &i32| *device < map.max_devices() || *device == crush::ITEM_NONE;
                assert!(!sound || devices.iter().all(real), "{devices:?}");
            }
        }
    }
}

#[test]
fn counts_beyond_the_bytes_are_refused_before_anything_is_allocated() {
    let word = |number: u32| number.to_le_bytes();
    let head = |buckets: u32, rules: u32| [word(0x1_0000), word(buckets), word(rules), word(0)].concat();
    let refused = |bytes: &[u8]| CrushMap::decode(bytes).expect_err("a bad map").fault;
    assert_eq!(refused(&[1, 2, 3, 4]), DecodeFault::Magic(0x0403_0201));
    assert_eq!(
        refused(&head(u32::MAX, 0)),
        DecodeFault::Count { what: "buckets", count: u64::from(u32::MAX) }
    );
    assert_eq!(refused(&head(3, 0)), DecodeFault::Count { what: "buckets", count: 3 });
    assert_eq!(refused(&head(0, 257)), DecodeFault::Count { what: "rules", count: 257 });
    let mut bucket = head(1, 0);
    bucket.extend(word(5)); // straw2
    bucket.extend((-1i32).to_le_bytes());
    bucket.extend([1, 0, 5, 0]);
    bucket.extend(word(0));
    bucket.extend(word(0x4000_0000)); // items
    assert_eq!(refused(&bucket), DecodeFault::Count { what: "items", count: 0x4000_0000 });
    let text = "x".repeat(100);
    assert!(matches!(CrushMap::compile(&text), Err(error) if matches!(error.fault, Fault::Expected { .. })));
}

#[test]
fn senseless_maps_are_named_by_validate_and_still_end() {
    let bucket =
        |id: i32, item: &str| format!("host b{} {{ id {id} alg straw2 item {item} weight 1.0 }}\n", -id);
    // A text cannot make a ring; bytes can: point the item of b1 (bucket -1) at b2, which holds b1.
    let text = format!("device 0 osd.0\n{TYPES}{}{}", bucket(-1, "osd.0"), bucket(-2, "b1"));
    let text = text
        + "rule r { id 0 type replicated min_size 1 max_size 3\nstep take b2\nstep chooseleaf firstn 0 type osd\nstep emit }";
    let mut bytes = CrushMap::compile(&text).expect("a sound text").encode();
    let item = 16 + 4 + 4 + 2 + 1 + 1 + 4 + 4;
    bytes[item..item + 4].copy_from_slice(&(-2i32).to_le_bytes());
    let ring = CrushMap::decode(&bytes).expect("well formed");
    assert!(matches!(ring.validate(), Err(Error::Cycle { bucket: -1 | -2 })), "{:?}", ring.validate());
    assert!(matches!(ring.decompile(), Err(Error::Cycle { .. })));
    assert!(ring.do_rule(0, 1, 3, &[WEIGHT_ONE], None).is_empty());
    bytes[item..item + 4].copy_from_slice(&(-7i32).to_le_bytes());
    let dangling = CrushMap::decode(&bytes).expect("well formed");
    assert_eq!(dangling.validate(), Err(Error::DanglingItem { bucket: -1, item: -7 }));
    assert!(dangling.do_rule(0, 1, 3, &[WEIGHT_ONE], None).is_empty());

    let rule = |steps: &str| {
        let text = format!(
            "device 0 osd.0\n{TYPES}{}rule r {{ id 0 type replicated min_size 1 max_size 3\n{steps} }}",
            bucket(-1, "osd.0")
        );
        CrushMap::compile(&text).expect("well formed")
    };
    let no_emit = rule("step take b1 step choose firstn 0 type osd");
    assert_eq!(no_emit.validate(), Err(Error::NoEmit { rule: 0 }));
    assert!(no_emit.do_rule(0, 1, 3, &[WEIGHT_ONE], None).is_empty());
    let early = rule("step choose firstn 0 type osd step take b1 step emit");
    assert_eq!(early.validate(), Err(Error::ChooseBeforeTake { rule: 0, step: 0 }));
    let endless = rule(
        "step set_choose_tries 2147483647 step take b1 step choose firstn 2000000000 type osd step emit",
    );
    assert_eq!(endless.validate(), Err(Error::BadStepArgument { rule: 0, step: 0, value: i32::MAX }));
    // Two of one device: Ceph would try for years.
    assert_eq!(endless.do_rule(0, 1, 2, &[WEIGHT_ONE], None), [0]);

    let sound = rule("step take b1 step choose firstn 0 type osd step emit");
    sound.validate().expect("a sound map");
    assert!(sound.do_rule(0, 1, 0, &[WEIGHT_ONE], None).is_empty());
    assert_eq!(sound.do_rule(0, 1, 100, &[WEIGHT_ONE], None), [0]);
    assert!(sound.do_rule(9, 1, 3, &[WEIGHT_ONE], None).is_empty());
    assert!(sound.do_rule(0, 1, 3, &[], None).is_empty());
}

/// The highest number there is has none behind it for `max_devices`.
#[test]
fn a_device_of_the_highest_number_is_read_and_named() {
    let mut bytes = [0x1_0000u32, 1, 0, 0, 5, u32::MAX].map(u32::to_le_bytes).concat();
    bytes.extend([1, 0, 5, 0]);
    bytes.extend([0u32, 1, i32::MAX as u32, 0x1_0000].map(u32::to_le_bytes).concat()); // weight, one item
    bytes.extend([0u32; 3].map(u32::to_le_bytes).concat()); // no names
    let map = CrushMap::decode(&bytes).expect("whole");
    assert_eq!(map.max_devices(), i32::MAX);
    assert!(map.validate().is_err());
}

#[test]
fn empty_rows_for_a_large_bucket_do_not_ask_for_the_square() {
    let items: String = (0..200).map(|id| format!("item osd.{id} weight 1.0\n")).collect();
    let devices: String = (0..200).map(|id| format!("device {id} osd.{id}\n")).collect();
    let row = "1.0 ".repeat(200);
    let text = format!(
        "{devices}{TYPES}host h {{ id -1 alg straw2\n{items}}}\nchoose_args 0 {{ {{ bucket_id -1 weight_set [ [ {row} ] ] }} }}"
    );
    let sound = CrushMap::compile(&text).expect("a sound text").encode();
    assert!(CrushMap::decode(&sound).is_ok());
    // The number of rows, one row and the ids end the bytes; rows of no length come in their place.
    let head = &sound[..sound.len() - (4 + 4 + 800 + 4)];
    let with_rows = |rows: u32| {
        let mut bytes = head.to_vec();
        bytes.extend(rows.to_le_bytes());
        bytes.extend(vec![0; rows as usize * 4 + 4]);
        CrushMap::decode(&bytes)
    };
    let padded = with_rows(2).expect("a few rows are lengthened, as Ceph does");
    assert_eq!(padded.choose_args()[&0][&-1].weight_set, [[0; 200], [0; 200]]);
    let refused = with_rows(5000).expect_err("five thousand rows of two hundred weights");
    assert_eq!(refused.fault, DecodeFault::ChooseArgs { set: 0, bucket: -1 });
}

#[test]
fn any_number_of_copies_ends_with_devices_that_exist() {
    for seed in 0..12 {
        let random = &mut Random(seed);
        let made = random_map(random);
        let Ok(map) = CrushMap::compile(&made.text) else { continue };
        let weights = vec![WEIGHT_ONE; made.devices];
        for count in [0, 1, 100] {
            for rule in 0..made.rules as u32 {
                let devices = map.do_rule(rule, 7, count, &weights, Some(0));
                assert!(devices.len() <= count, "seed {seed} rule {rule}");
                let mut held: Vec<i32> =
                    devices.into_iter().filter(|device| *device != crush::ITEM_NONE).collect();
                assert!(held.iter().all(|device| (0..map.max_devices()).contains(device)), "seed {seed}");
                if map
                    .rule(rule)
                    .expect("made")
                    .steps
                    .iter()
                    .filter(|step| step.op == crush::Op::Emit)
                    .count()
                    == 1
                {
                    let all = held.len();
                    held.sort_unstable();
                    held.dedup();
                    assert_eq!(held.len(), all, "seed {seed} rule {rule}: a device twice");
                }
            }
        }
    }
}

#[test]
fn weights_at_the_edges_are_named_or_harmless() {
    let two = |weight: &str| {
        format!(
            "tunable choose_local_fallback_tries 0\ndevice 0 a\ndevice 1 b\n{TYPES}host h {{ id -1 alg straw2 item a weight {weight} item b weight 1 }}\n\
             rule r {{ id 0 type replicated min_size 1 max_size 3\nstep take h step choose firstn 0 type osd step emit }}"
        )
    };
    for bad in ["-0.5", "inf", "-inf", "nan", "1e30", "100.5"] {
        assert!(CrushMap::compile(&two(bad)).is_err(), "{bad}");
    }
    let zero = CrushMap::compile(&two("0")).expect("a weight of zero is legal");
    assert_eq!(zero.do_rule(0, 3, 2, &[WEIGHT_ONE; 2], None), [1]);
    // Bytes can hold what a text cannot: the top bit makes a weight negative to Ceph.
    let mut bytes = zero.encode();
    let weight = 16 + 4 + 4 + 2 + 1 + 1 + 4 + 4 + 2 * 4;
    bytes[weight..weight + 4].copy_from_slice(&0x8000_0000u32.to_le_bytes());
    let negative = CrushMap::decode(&bytes).expect("well formed");
    assert_eq!(negative.validate(), Err(Error::WeightOverflow { bucket: -1, item: 0 }));
    assert!(negative.do_rule(0, 3, 2, &[WEIGHT_ONE; 2], None).len() <= 2);
}

#[test]
fn an_empty_name_is_written_so_that_it_can_be_read() {
    let sound = CrushMap::compile("type 0 osd\ntype 1 x\n").expect("a sound text").encode();
    let at = sound.windows(5).position(|bytes| bytes == [1, 0, 0, 0, b'x']).expect("a length and a name");
    let mut bytes = sound[..at].to_vec();
    bytes.extend([0; 8]);
    bytes.extend(&sound[at + 5..]);
    let map = CrushMap::decode(&bytes).expect("the form of very old maps");
    assert_eq!(map.type_name(1), Some(""));
    assert_eq!(map.encode(), bytes);
}
