//! Images with snapshots in pools that are split: what each snapshot showed before, it shows after, and what only
//! snapshots kept is let go of by the PGs that came of the split.

use std::path::PathBuf;
use std::time::Duration;
use tests_cluster::nbd::Nbd;
use tests_cluster::settings::seed;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, content, say};

const MIB: usize = 1 << 20;
const SIZE: usize = 20 * MIB;
const PATIENCE: Duration = Duration::from_secs(180);

/// An image, and what it showed at the snapshots that it still has.
struct Image {
    name: &'static str,
    now: Vec<u8>,
    then: Vec<(&'static str, Vec<u8>)>,
}

/// The images of this test: one replicated, one with its data on shards.
pub(crate) struct Images(Vec<Image>);

/// The pools that they lie in, with the number of PGs to begin with and afterwards.
pub(crate) const POOLS: [(&str, u32, u32); 2] = [("disks", 4, 32), ("shards", 4, 16)];

impl Image {
    fn write(&mut self, cluster: &Cluster, round: u64) {
        let mut nbd = Nbd::connect(&cluster.nbd(), self.name, PATIENCE).expect("an export");
        // A part of every object, so that each keeps something for the snapshot before it.
        for at in (0..SIZE).step_by(MIB) {
            let part = content::bytes(content::mix(&[seed(), round, at as u64]), 24 << 10);
            let offset = at + round as usize * (16 << 10);
            nbd.write(offset as u64, &part).expect("written");
            self.now[offset..offset + part.len()].copy_from_slice(&part);
        }
        nbd.flush().expect("flushed");
    }

    fn take(&mut self, cluster: &Cluster, snap: &'static str) {
        cluster.nacre(&["image", "snap", "create", &format!("{}@{snap}", self.name)]).ok();
        self.then.push((snap, self.now.clone()));
    }

    fn let_go(&mut self, cluster: &Cluster, snap: &str) {
        cluster.nacre(&["image", "snap", "rm", &format!("{}@{snap}", self.name)]).ok();
        self.then.retain(|(name, _)| *name != snap);
    }

    fn check(&self, cluster: &Cluster) {
        let snaps = self.then.iter().map(|(snap, data)| (format!("{}@{snap}", self.name), data));
        for (name, wanted) in snaps.chain([(self.name.to_string(), &self.now)]) {
            let file: PathBuf = cluster.beside().join("exported");
            cluster.nacre(&["image", "export", &name, &file.display().to_string()]).ok();
            let got = std::fs::read(&file).expect("exported");
            std::fs::remove_file(&file).expect("a scratch file");
            assert_eq!(content::difference(&got, wanted), None, "{name}");
        }
    }
}

impl Images {
    /// Makes pools and images, with three snapshots each, and writes after each of them.
    pub(crate) fn make(cluster: &Cluster) -> Images {
        let (disks, shards) = (POOLS[0].1.to_string(), POOLS[1].1.to_string());
        cluster.nacre(&["pool", "create", "disks", "--size", "3", "--pg-num", &disks]).ok();
        let ec = ["--ec", "2+1", "--min-size", "2", "--failure-domain", "osd", "--companion", "disks"];
        cluster.nacre(&[&["pool", "create", "shards", "--pg-num", &shards], &ec[..]].concat()).ok();
        let create = ["image", "create", "--size", "20M", "--object-size", "1M"];
        cluster.nacre(&[&create[..], &["disks/plain"]].concat()).ok();
        cluster.nacre(&[&create[..], &["disks/coded", "--data-pool", "shards"]].concat()).ok();
        let image = |name| Image { name, now: vec![0; SIZE], then: Vec::new() };
        let mut images = Images(vec![image("disks/plain"), image("disks/coded")]);
        for image in &mut images.0 {
            image.write(cluster, 0);
            for (round, snap) in [(1, "first"), (2, "second"), (3, "third")] {
                image.take(cluster, snap);
                image.write(cluster, round);
            }
        }
        images.check(cluster);
        images
    }

    /// A snapshot is let go of, so that trimming is under way when the pools are split.
    pub(crate) fn before_the_split(&mut self, cluster: &Cluster) {
        self.0.iter_mut().for_each(|image| image.let_go(cluster, "second"));
    }

    /// Another one is taken and one let go of while PGs are divided and filled.
    pub(crate) fn after_the_split(&mut self, cluster: &Cluster) {
        for image in &mut self.0 {
            image.let_go(cluster, "third");
            image.take(cluster, "fourth");
            image.write(cluster, 4);
        }
        say!("  snapshots let go of and taken meanwhile");
    }

    /// Everything is as it was when it was taken.
    pub(crate) fn check(&self, cluster: &Cluster) {
        self.0.iter().for_each(|image| image.check(cluster));
    }

    /// With the last snapshots nothing is left but what the images are now, and with the images nothing at all.
    pub(crate) fn remove(mut self, cluster: &Cluster) {
        for image in &mut self.0 {
            image.let_go(cluster, "first");
            image.let_go(cluster, "fourth");
            assert_eq!(cluster.json(&["image", "du", image.name])["kept_by_snapshots"].as_u64(), Some(0));
            image.check(cluster);
            cluster.nacre(&["image", "rm", image.name]).ok();
        }
        for_condition("the pool of the images' data to hold nothing, clones included", PATIENCE, || {
            let pools = cluster.try_json(&["pool", "ls"])?;
            let shards =
                pools["pools"].as_array().into_iter().flatten().find(|pool| pool["name"] == "shards");
            match shards.map(|pool| pool["objects"].as_u64()) {
                Some(Some(0)) => Ok(()),
                _ => Err(pools.to_string()),
            }
        });
    }
}
