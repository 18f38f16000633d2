//! Whatever is lost is rebuilt as it was, or refused: all patterns of losses of small codes, random ones of large codes,
//! with each kernel; and parity that follows overwrites.

use erasure::{ChunkError, ChunkSet, Code, Kernel, Plans, Profile, Technique};
use stdx::Rng;

fn codes(list: &[&str]) -> Vec<Code> {
    list.iter().map(|text| Code::new(text.parse().unwrap_or_else(|e| panic!("{text}: {e}")))).collect()
}

/// A stripe with random data: all its chunks, by position.
fn stripe(rng: &mut Rng, code: &Code, len: usize) -> Vec<Vec<u8>> {
    let mut chunks = vec![vec![0; len]; code.profile().chunks()];
    for position in code.data_positions() {
        rng.fill(&mut chunks[*position]);
    }
    let mut parity = vec![vec![0; len]; code.coding_positions().len()];
    let data: Vec<&[u8]> = code.data_positions().iter().map(|p| &*chunks[*p]).collect();
    let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(|chunk| &mut **chunk).collect();
    code.encode(&data, &mut outputs).expect("a stripe");
    for (position, chunk) in code.coding_positions().iter().zip(parity) {
        chunks[*position] = chunk;
    }
    chunks
}

/// Loses `lost`, wants `wanted`: whether it could be had; if so it is what it was.
fn rebuild(code: &Code, plans: &mut Plans, chunks: &[Vec<u8>], wanted: ChunkSet, lost: ChunkSet) -> bool {
    let available = ChunkSet::first(chunks.len()) - lost;
    let plan = match plans.plan(code, wanted, available) {
        Ok(plan) => plan,
        Err(error) => {
            assert_eq!(error.missing, wanted & lost);
            return false;
        }
    };
    assert_eq!(plan.rebuilds(), wanted & lost);
    assert!(plan.sources().is_subset(plan.reads()) && plan.reads().is_subset(available));
    assert!((wanted - lost).is_subset(plan.reads()));
    let sources: Vec<&[u8]> = plan.sources().iter().map(|p| &*chunks[p]).collect();
    let mut rebuilt = vec![vec![0xee; chunks[0].len()]; plan.rebuilds().len()];
    let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(|chunk| &mut **chunk).collect();
    code.decode(plan, &sources, &mut outputs).expect("a plan of this code");
    for (position, chunk) in plan.rebuilds().iter().zip(rebuilt) {
        assert!(chunk == chunks[position], "{}: {position} of {lost} lost", code.profile());
    }
    true
}

/// All sets of positions below `n`.
fn subsets(n: usize) -> impl Iterator<Item = ChunkSet> {
    (0u64..1 << n).map(move |bits| (0..n).filter(|i| bits >> i & 1 == 1).collect())
}

#[test]
fn every_pattern_of_small_codes() {
    let small = [
        "k=2 m=1",
        "k=4 m=2",
        "k=8 m=3",
        "k=10 m=4",
        "plugin=isa technique=cauchy k=2 m=1",
        "plugin=isa technique=cauchy k=4 m=2",
        "plugin=isa technique=cauchy k=8 m=6",
        "plugin=jerasure k=2 m=2",
        "plugin=jerasure k=4 m=2",
        "plugin=jerasure k=9 m=5",
    ];
    let (rng, mut plans) = (&mut Rng::new(1), Plans::new(16));
    for code in codes(&small) {
        let chunks = stripe(rng, &code, 33);
        let (n, m) = (chunks.len(), code.profile().m());
        for lost in subsets(n).filter(|lost| lost.len() <= m + 1) {
            let any = rebuild(&code, &mut plans, &chunks, ChunkSet::first(n), lost);
            assert_eq!(any, lost.len() <= m, "{}: {lost} lost", code.profile());
        }
    }
}

#[test]
fn only_the_wanted_chunk() {
    let (rng, mut plans) = (&mut Rng::new(2), Plans::new(16));
    for code in codes(&["k=4 m=2", "plugin=lrc k=4 m=2 l=3"]) {
        let chunks = stripe(rng, &code, 100);
        let n = chunks.len();
        for lost in subsets(n).filter(|lost| lost.len() <= 2) {
            for wanted in subsets(n).filter(|wanted| wanted.len() <= 2) {
                assert!(rebuild(&code, &mut plans, &chunks, wanted, lost), "{lost} lost, {wanted} wanted");
            }
        }
    }
}

/// ISA-L's Vandermonde matrix at its limits: the reason why there are limits.
#[test]
fn every_pattern_of_the_largest_vandermonde_codes() {
    for (k, m) in [(21, 4), (32, 3), (32, 2)] {
        let code = Code::new(Profile::new(Technique::IsaVandermonde, k, m).expect("within the limits"));
        let n = k + m;
        let mut patterns = vec![(0, ChunkSet::new())];
        for _ in 0..m {
            patterns = patterns
                .iter()
                .flat_map(|(from, set)| (*from..n).map(|p| (p + 1, *set | ChunkSet::from_iter([p]))))
                .collect();
        }
        for (_, lost) in patterns {
            let plan = code.plan(lost, ChunkSet::first(n) - lost);
            assert!(plan.is_ok_and(|plan| plan.sources().len() <= k), "{k}+{m}: {lost} lost");
        }
    }
}

#[test]
fn random_patterns_of_large_codes_with_every_kernel() {
    let large = [
        "k=12 m=4",
        "k=32 m=3",
        "plugin=isa technique=cauchy k=32 m=16",
        "plugin=jerasure k=32 m=16",
        "plugin=jerasure k=20 m=12",
    ];
    let (rng, mut plans) = (&mut Rng::new(3), Plans::new(4));
    for code in codes(&large) {
        for kernel in Kernel::all() {
            let code = code.clone().with_kernel(kernel);
            let len = 1 + rng.below(600) as usize;
            let chunks = stripe(rng, &code, len);
            for _ in 0..20 {
                let losses = rng.below(code.profile().m() as u64 + 2);
                let lost: ChunkSet = (0..losses).map(|_| rng.below(chunks.len() as u64) as usize).collect();
                let any = rebuild(&code, &mut plans, &chunks, ChunkSet::first(chunks.len()), lost);
                assert_eq!(any, lost.len() <= code.profile().m(), "{}: {lost} lost", code.profile());
            }
        }
    }
}

/// Any m losses are rebuilt, one loss from its own group, and of more losses as many as can be.
#[test]
fn every_pattern_of_lrc() {
    let lrc = [
        ("plugin=lrc k=4 m=2 l=3", 3),
        ("plugin=lrc k=6 m=2 l=4", 4),
        ("plugin=lrc k=2 m=2 l=2", 2),
        ("plugin=lrc k=6 m=3 l=3", 3),
        ("plugin=lrc k=8 m=4 l=6", 6),
    ];
    let (rng, mut plans) = (&mut Rng::new(4), Plans::new(16));
    for (code, (_, reads)) in codes(&lrc.map(|(text, _)| text)).iter().zip(lrc) {
        let chunks = stripe(rng, code, 40);
        let (n, m) = (chunks.len(), code.profile().m());
        let all = ChunkSet::first(n);
        let mut more_than_m = 0;
        for lost in subsets(n).filter(|lost| lost.len() <= m + code.profile().groups() + 1) {
            let any = rebuild(code, &mut plans, &chunks, all, lost);
            assert!(any || lost.len() > m, "{}: {lost} lost", code.profile());
            assert!(!any || lost.len() <= n - code.profile().k());
            more_than_m += usize::from(any && lost.len() > m);
            if lost.len() == 1 {
                assert_eq!(
                    code.minimum_to_decode(lost, all - lost).map(ChunkSet::len),
                    Ok(reads),
                    "{lost} lost"
                );
            }
        }
        assert!(more_than_m > 0, "local parity helps beyond m losses too");
    }
}

#[test]
fn parity_follows_overwrites() {
    let rng = &mut Rng::new(5);
    for code in codes(&["k=4 m=2", "plugin=jerasure k=8 m=3", "plugin=lrc k=4 m=2 l=3"]) {
        for kernel in Kernel::all() {
            let code = code.clone().with_kernel(kernel);
            let mut chunks = stripe(rng, &code, 1000);
            for _ in 0..20 {
                let start = rng.below(1000) as usize;
                let range = start..start + 1 + rng.below(1000 - start as u64) as usize;
                let count = 1 + rng.below(3) as usize;
                let mut deltas = Vec::new();
                for position in &code.data_positions()[..count] {
                    let mut new = vec![0; range.len()];
                    rng.fill(&mut new);
                    let mut delta = vec![0; range.len()];
                    code.delta(&chunks[*position][range.clone()], &new, &mut delta).expect("equal lengths");
                    chunks[*position][range.clone()].copy_from_slice(&new);
                    deltas.push((*position, delta));
                }
                let deltas: Vec<(usize, &[u8])> = deltas.iter().map(|(p, delta)| (*p, &**delta)).collect();
                // One parity chunk after the other, as each would be on its own OSD.
                for position in code.coding_positions() {
                    let mut parity = [(*position, &mut chunks[*position][range.clone()])];
                    code.add_deltas(&deltas, &mut parity).expect("a delta of this code");
                }
            }
            let data: Vec<&[u8]> = code.data_positions().iter().map(|p| &*chunks[*p]).collect();
            let mut parity = vec![vec![0; 1000]; code.coding_positions().len()];
            let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(|chunk| &mut **chunk).collect();
            code.encode(&data, &mut outputs).expect("a stripe");
            for (position, chunk) in code.coding_positions().iter().zip(parity) {
                assert!(chunk == chunks[*position], "{} parity {position}", code.profile());
            }
        }
    }
}

#[test]
fn checksums_in_the_same_pass() {
    let rng = &mut Rng::new(6);
    for code in codes(&["k=4 m=2", "plugin=isa technique=cauchy k=5 m=8", "plugin=lrc k=4 m=2 l=3"]) {
        for (len, unit) in
            [(1, 1), (100, 4096), (8192, 4096), (20_001, 4096), (20_001, 16_384), (16_384, 100)]
        {
            let chunks = stripe(rng, &code, len);
            let units = |position: &usize| chunks[*position].chunks(unit).map(stdx::checksum::crc32c);
            let data: Vec<&[u8]> = code.data_positions().iter().map(|p| &*chunks[*p]).collect();
            let mut parity = vec![vec![0; len]; code.coding_positions().len()];
            let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(|chunk| &mut **chunk).collect();
            let order = || code.data_positions().iter().chain(code.coding_positions());
            let expected: Vec<u32> = order().flat_map(units).collect();
            let mut sums = vec![0; expected.len()];
            code.encode_with_crc32c(&data, &mut outputs, unit, &mut sums).expect("a stripe");
            assert_eq!(sums, expected, "{len} bytes in units of {unit}");
            assert!(code.coding_positions().iter().zip(&parity).all(|(p, chunk)| *chunk == chunks[*p]));

            let lost = ChunkSet::from_iter([0, 2]);
            let plan = code.plan(lost, ChunkSet::first(chunks.len()) - lost).expect("two losses");
            let sources: Vec<&[u8]> = plan.sources().iter().map(|p| &*chunks[p]).collect();
            let mut rebuilt = vec![vec![0; len]; 2];
            let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(|chunk| &mut **chunk).collect();
            let expected: Vec<u32> = [0, 2].iter().flat_map(units).collect();
            let mut sums = vec![0; expected.len()];
            code.decode_with_crc32c(&plan, &sources, &mut outputs, unit, &mut sums).expect("a plan");
            assert_eq!(sums, expected);
            assert!(rebuilt[0] == chunks[0] && rebuilt[1] == chunks[2]);
        }
    }
}

#[test]
fn chunks_that_do_not_fit_are_refused_and_nothing_is_written() {
    let code = Code::new(Profile::isa(2, 1).expect("a profile"));
    let (long, short) = ([1u8; 64], [2u8; 63]);
    let mut parity = [0xaa; 64];
    let length = Err(ChunkError::Length { wanted: 64, got: 63 });
    assert_eq!(code.encode(&[&long, &short], &mut [&mut parity]), length);
    assert_eq!(code.encode(&[&long, &long], &mut [&mut parity[..63]]), length);
    assert_eq!(code.encode(&[&[], &[]], &mut [&mut []]), Err(ChunkError::Empty));
    assert!(matches!(
        code.encode(&[&long], &mut [&mut parity]),
        Err(ChunkError::Count { wanted: 2, got: 1, .. })
    ));
    assert!(matches!(
        code.encode(&[&long, &long], &mut []),
        Err(ChunkError::Count { wanted: 1, got: 0, .. })
    ));
    let refused = code.encode_with_crc32c(&[&long, &long], &mut [&mut parity], 32, &mut [0; 5]);
    assert!(matches!(refused, Err(ChunkError::Count { wanted: 6, got: 5, .. })));
    let refused = code.add_deltas(&[(2, &long)], &mut [(2, &mut parity)]);
    assert!(matches!(refused, Err(ChunkError::Position { position: 2, .. })));
    let refused = code.add_deltas(&[(0, &long)], &mut [(0, &mut parity)]);
    assert!(matches!(refused, Err(ChunkError::Position { position: 0, .. })));
    assert!(code.add_deltas(&[(0, &short)], &mut [(2, &mut parity)]).is_err());
    assert_eq!(code.delta(&long, &short, &mut parity), length);
    assert_eq!(parity, [0xaa; 64]);
    let plan = code.plan(ChunkSet::first(1), ChunkSet::from_iter([1, 2])).expect("one loss");
    assert!(code.decode(&plan, &[&long], &mut [&mut parity]).is_err());
    assert!(code.decode(&plan, &[&long, &short], &mut [&mut parity]).is_err());
    assert_eq!(parity, [0xaa; 64]);
}
