//! A short slice of the fuzzer with a fixed seed, for every test run.

use tests_fuzz::allocated::{Counting, most_at_once};
use tests_fuzz::{TARGETS, Tally, input, try_case};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CASES: u64 = 400;

#[test]
fn hostile_input_is_refused_or_harmless() {
    for target in TARGETS {
        let mut tally = Tally::default();
        for number in 0..CASES {
            if let Err(failure) = try_case(target, 1, number, &mut tally) {
                panic!("{failure}");
            }
        }
        // It would be worthless if everything were refused at once, or nothing was hostile.
        assert!(tally.accepted > CASES / 20, "{}: {tally:?}", target.name);
        assert!(tally.accepted < CASES * 19 / 20, "{}: {tally:?}", target.name);
        assert!(tally.allocated_percent_max > 0, "{}: nothing was counted", target.name);
    }
}

#[test]
fn the_allocator_counts_what_lives_at_once() {
    let ((), most) = most_at_once(|| {
        drop(std::hint::black_box(vec![0u8; 100_000]));
        drop(std::hint::black_box(vec![0u8; 200_000]));
    });
    assert!((200_000..300_000).contains(&most), "{most}");
}

#[test]
fn a_case_is_the_same_every_time() {
    for target in TARGETS {
        assert_eq!(input(target, 3, 17), input(target, 3, 17), "{}", target.name);
        assert!(
            (0..20).any(|number| input(target, 3, number) != input(target, 4, number)),
            "{}",
            target.name
        );
    }
}
