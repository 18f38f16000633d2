//! An image is an array of bytes whatever happens: two clients write, clear and read at random, each against its own
//! memory, while an OSD is killed and comes back, the image grows, and each of two servers is killed under them in turn.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use stdx::Rng;
use tests_cluster::nbd::Nbd;
use tests_cluster::run::Background;
use tests_cluster::settings::{nacre, seed, sized};
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, content, ports, say};

const MIB: u64 = 1 << 20;
/// Clients take turns in the image by blocks of this.
const BLOCK: u64 = 64 << 10;
const SIZE_MAX: u64 = 24 * MIB;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn an_image_is_an_array_of_bytes_whatever_happens() {
    let mut cluster = Cluster::start("block_model", Options { osd_size: "1G", ..Options::default() });
    cluster.nacre(&["image", "create", "disk", "--size", "16M", "--object-size", "1M"]).ok();
    let second = ports::free();
    let mut serve = Command::new(nacre());
    serve.args(["nbd", "serve", "--listen", &second]).arg("--data").arg(cluster.dir());
    let server = Background::start(&mut serve, &cluster.beside().join("nbd.err"));
    let doors = Arc::new(vec![cluster.nbd(), second]);
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..2u64)
        .map(|id| {
            let (doors, done, stop) = (doors.clone(), done.clone(), stop.clone());
            std::thread::spawn(move || Client::new(id, doors).run(&done, &stop))
        })
        .collect();

    let more = |what: &str| {
        let until = done.load(Ordering::Relaxed) + sized(150, 3000);
        for_condition(what, PATIENCE, || match done.load(Ordering::Relaxed) {
            n if n >= until => Ok(()),
            n => Err(format!("{n} of {until} requests are done")),
        });
    };
    more("requests on a whole cluster");
    cluster.kill9("osd.1");
    more("requests without osd.1");
    cluster.daemon_start("osd.1");
    more("requests while osd.1 catches up");
    cluster.nacre(&["image", "resize", "disk", "--size", "24M"]).ok();
    cluster.kill9("gateway.0");
    more("requests by the second server, in the image as it has grown");
    cluster.daemon_start("gateway.0");
    drop(server);
    more("requests by the first again");
    stop.store(true, Ordering::Relaxed);
    let clients: Vec<Client> = clients
        .into_iter()
        .map(|c| c.join().unwrap_or_else(|_| panic!("a client failed\n{}", cluster.tails())))
        .collect();

    let mut disk = connect(&doors);
    assert_eq!(disk.size(), SIZE_MAX);
    for at in (0..SIZE_MAX).step_by(BLOCK as usize) {
        let got = disk.read(at, BLOCK as usize).unwrap_or_else(|e| panic!("{e}"));
        let model = &clients[(at / BLOCK % 2) as usize].model[at as usize..(at + BLOCK) as usize];
        assert_eq!(content::difference(&got, model), None, "the block at {at}");
    }
    let failovers: u64 = clients.iter().map(|c| c.failovers).sum();
    say!(
        "  {} requests, {failovers} failovers, every byte as it was acknowledged",
        done.load(Ordering::Relaxed)
    );
    assert!(failovers >= 4, "each client lost each server once");
    drop(disk);
    assert_eq!(cluster.stop(), 0);
}

/// A client with its share of the image: every other block.
struct Client {
    id: u64,
    rng: Rng,
    doors: Arc<Vec<String>>,
    model: Vec<u8>,
    failovers: u64,
}

/// What a client asks for.
enum Request {
    Write(Vec<u8>),
    Zero,
    Trim,
    Read,
}

impl Client {
    fn new(id: u64, doors: Arc<Vec<String>>) -> Client {
        let rng = Rng::new(content::mix(&[seed(), 77, id]));
        Client { id, rng, doors, model: vec![0; SIZE_MAX as usize], failovers: 0 }
    }

    fn run(mut self, done: &AtomicU64, stop: &AtomicBool) -> Client {
        let mut disk = connect(&self.doors);
        while !stop.load(Ordering::Relaxed) {
            let pairs = disk.size() / BLOCK / 2;
            let block = 2 * self.rng.below(pairs) + self.id;
            let within = self.rng.below(BLOCK);
            let len = (1 + self.rng.below(BLOCK)).min(BLOCK - within) as usize;
            let at = block * BLOCK + within;
            let request = match self.rng.below(10) {
                0..4 => Request::Write(content::bytes(self.rng.below(u64::MAX), len)),
                4 => Request::Zero,
                5 => Request::Trim,
                _ => Request::Read,
            };
            // What got no answer may or may not have happened; asked for again it has.
            while let Err(lost) = self.ask(&mut disk, &request, at, len) {
                assert!(!stop.load(Ordering::Relaxed), "{lost}, and nobody was killed");
                self.failovers += 1;
                disk = connect(&self.doors);
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    fn ask(&mut self, disk: &mut Nbd, request: &Request, at: u64, len: usize) -> std::io::Result<()> {
        let model = &mut self.model[at as usize..at as usize + len];
        match request {
            Request::Write(data) => {
                disk.write(at, data)?;
                model.copy_from_slice(data);
            }
            Request::Zero => {
                disk.zero(at, len)?;
                model.fill(0);
            }
            Request::Trim => {
                // Ours promises zeros where NBD does not.
                disk.trim(at, len)?;
                model.fill(0);
            }
            Request::Read => {
                let got = disk.read(at, len)?;
                assert_eq!(content::difference(&got, model), None, "client {} reads {len} at {at}", self.id);
            }
        }
        Ok(())
    }
}

/// Whichever server lets us in.
fn connect(doors: &[String]) -> Nbd {
    for_condition("a server of the image", PATIENCE, || {
        let mut last = String::new();
        for door in doors {
            match Nbd::connect(door, "rbd/disk", PATIENCE) {
                Ok(disk) => return Ok(disk),
                Err(e) => last = e.to_string(),
            }
        }
        Err(last)
    })
}
