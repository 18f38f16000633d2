//! One case: stripes in memory, and the same task done by us and by ISA-L in turns.

use crate::isal::{Isal, Tables};
use erasure::{ChunkSet, Code, Plan};
use std::fmt;
use std::hint::black_box;
use std::time::Duration;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Encode,
    /// With the CRC32C of every 4 KiB; ISA-L's in a second pass.
    EncodeSummed,
    /// So many data chunks are lost.
    Decode(usize),
    /// One data chunk changed; all parity follows.
    Update,
}

impl Task {
    pub(crate) const ALL: [Task; 5] =
        [Task::Encode, Task::EncodeSummed, Task::Decode(1), Task::Decode(2), Task::Update];
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::Encode => f.write_str("encode"),
            Task::EncodeSummed => f.write_str("encode+crc32c"),
            Task::Decode(lost) => write!(f, "decode-{lost}"),
            Task::Update => f.write_str("update"),
        }
    }
}

/// Bytes a second.
pub(crate) struct Speeds {
    pub(crate) ours: f64,
    pub(crate) peer: Option<f64>,
}

/// A checksum for each 4 KiB.
const SUM_UNIT: usize = 4096;
/// How long each side works at a time, and how often it gets its turn; the best turn counts.
const TURN: Duration = Duration::from_millis(8);
const TURNS: usize = 9;

pub(crate) struct Work<'a> {
    code: Code,
    chunk: usize,
    /// Each as long as all chunks of a stripe; the chunks begin on pages.
    stripes: Vec<Pages>,
    isal: Option<&'a Isal>,
}

/// Memory that begins on a page.
struct Pages {
    bytes: Vec<u8>,
    start: usize,
}

impl Pages {
    fn new(len: usize) -> Pages {
        let bytes: Vec<u8> = vec![0x5a; len + 4096];
        let start = bytes.as_ptr().align_offset(4096);
        Pages { bytes, start }
    }

    fn chunks(&mut self, chunk: usize, count: usize) -> Vec<&mut [u8]> {
        self.bytes[self.start..].chunks_mut(chunk).take(count).collect()
    }
}

impl<'a> Work<'a> {
    pub(crate) fn new(code: Code, chunk: usize, stripes: usize, isal: Option<&'a Isal>) -> Work<'a> {
        let mut rng = stdx::Rng::new(1);
        let count = code.profile().chunks();
        let mut first = Pages::new(chunk * count);
        first.chunks(chunk, count).into_iter().for_each(|chunk| rng.fill(chunk));
        let mut all = vec![first];
        all.resize_with(stripes, || Pages::new(chunk * count));
        Work { code, chunk, stripes: all, isal }
    }

    /// The best rate of either side. Also sees to it that both make the same bytes.
    pub(crate) fn measure(&mut self, task: Task) -> Speeds {
        let k = self.code.profile().k();
        let bytes = match task {
            Task::Update => self.chunk,
            _ => self.chunk * k,
        };
        let lost = match task {
            Task::Decode(lost) => ChunkSet::first(lost),
            _ => ChunkSet::new(),
        };
        let all = ChunkSet::first(self.code.profile().chunks());
        let plan = self.code.plan(lost, all - lost).expect("few are lost");
        let tables = self.isal.map(|isal| isal_tables(isal, &self.code, task, &plan));
        if let (Some(isal), Some(tables)) = (self.isal, &tables) {
            let same = |pages: &mut Pages, code: &Code, chunk| {
                ours(code, &plan, task, pages, chunk);
                let first = pages.bytes.clone();
                // An update undoes itself; everything else is done again over other bytes.
                theirs(isal, tables, code, &plan, task, pages, chunk);
                if task == Task::Update {
                    theirs(isal, tables, code, &plan, task, pages, chunk);
                }
                first == pages.bytes
            };
            assert!(same(&mut self.stripes[0], &self.code, self.chunk), "{task}: ISA-L makes other bytes");
        }
        let (code, chunk) = (&self.code, self.chunk);
        // As many rounds as take about one turn; the first one warms up.
        let mut rounds = 1;
        for _ in 0..2 {
            let rate = turn(&mut self.stripes, rounds, |pages| ours(code, &plan, task, pages, chunk));
            rounds = 1 + (rate * TURN.as_secs_f64()) as usize / self.stripes.len();
        }
        let mut best = (0.0f64, 0.0f64);
        for _ in 0..TURNS {
            best.0 =
                best.0.max(turn(&mut self.stripes, rounds, |pages| ours(code, &plan, task, pages, chunk)));
            if let (Some(isal), Some(tables)) = (self.isal, &tables) {
                let work = |pages: &mut Pages| theirs(isal, tables, code, &plan, task, pages, chunk);
                best.1 = best.1.max(turn(&mut self.stripes, rounds, work));
            }
        }
        best = (best.0 * bytes as f64, best.1 * bytes as f64);
        Speeds { ours: best.0, peer: self.isal.map(|_| best.1) }
    }
}

/// Stripes a second of this thread's own time: others on the machine must not decide. `rounds` over all stripes.
fn turn(stripes: &mut [Pages], rounds: usize, mut work: impl FnMut(&mut Pages)) -> f64 {
    let begun = thread_time();
    for _ in 0..rounds {
        stripes.iter_mut().for_each(|pages| work(black_box(pages)));
    }
    (rounds * stripes.len()) as f64 / (thread_time() - begun).as_secs_f64()
}

/// The processor time that this thread has had.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes `time`.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0, "every Linux has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The chunks as sources and outputs.
fn split<'p>(
    task: Task,
    code: &Code,
    plan: &Plan,
    pages: &'p mut Pages,
    chunk: usize,
) -> (Vec<&'p [u8]>, Vec<&'p mut [u8]>) {
    let (k, count) = (code.profile().k(), code.profile().chunks());
    let (mut sources, mut outputs) = (Vec::new(), Vec::new());
    for (position, bytes) in pages.chunks(chunk, count).into_iter().enumerate() {
        let decoding = matches!(task, Task::Decode(_));
        if if decoding { plan.sources().contains(position) } else { position < k } {
            sources.push(&*bytes);
        } else if !decoding || plan.rebuilds().contains(position) {
            outputs.push(bytes);
        }
    }
    (sources, outputs)
}

fn ours(code: &Code, plan: &Plan, task: Task, pages: &mut Pages, chunk: usize) {
    let (sources, mut outputs) = split(task, code, plan, pages, chunk);
    let done = match task {
        Task::Encode => code.encode(&sources, &mut outputs),
        Task::EncodeSummed => {
            let mut sums = vec![0; (sources.len() + outputs.len()) * chunk.div_ceil(SUM_UNIT)];
            let done = code.encode_with_crc32c(&sources, &mut outputs, SUM_UNIT, &mut sums);
            black_box(sums);
            done
        }
        Task::Decode(_) => code.decode(plan, &sources, &mut outputs),
        Task::Update => {
            let mut parity: Vec<(usize, &mut [u8])> =
                code.coding_positions().iter().copied().zip(outputs).collect();
            code.add_deltas(&[(1, sources[1])], &mut parity)
        }
    };
    done.expect("chunks that fit");
}

fn theirs(
    isal: &Isal,
    tables: &Tables,
    code: &Code,
    plan: &Plan,
    task: Task,
    pages: &mut Pages,
    chunk: usize,
) {
    let (sources, mut outputs) = split(task, code, plan, pages, chunk);
    match task {
        Task::Update => isal.update(tables, 1, sources[1], &mut outputs),
        _ => isal.encode(tables, &sources, &mut outputs),
    }
    if task == Task::EncodeSummed {
        let outputs = outputs.iter().map(|output| &**output);
        let sums: Vec<u32> = sources
            .iter()
            .copied()
            .chain(outputs)
            .flat_map(|chunk| chunk.chunks(SUM_UNIT))
            .map(|unit| isal.crc32c(unit))
            .collect();
        black_box(sums);
    }
}

/// The matrix of a task, found by coding chunks of which one is 1 and the others 0.
fn isal_tables(isal: &Isal, code: &Code, task: Task, plan: &Plan) -> Tables {
    let (columns, rows) = match task {
        Task::Decode(_) => (plan.sources().len(), plan.rebuilds().len()),
        _ => (code.profile().k(), code.profile().m()),
    };
    let mut coefficients = vec![0; rows * columns];
    for column in 0..columns {
        let sources: Vec<[u8; 1]> = (0..columns).map(|c| [u8::from(c == column)]).collect();
        let sources: Vec<&[u8]> = sources.iter().map(|source| &source[..]).collect();
        let mut outputs = vec![[0u8]; rows];
        let mut views: Vec<&mut [u8]> = outputs.iter_mut().map(|output| &mut output[..]).collect();
        let done = match task {
            Task::Decode(_) => code.decode(plan, &sources, &mut views),
            _ => code.encode(&sources, &mut views),
        };
        done.expect("chunks that fit");
        (0..rows).for_each(|row| coefficients[row * columns + column] = outputs[row][0]);
    }
    isal.tables(rows, columns, &coefficients)
}
