//! What the file system holds: what programs see, and what a power failure leaves.
//!
//! - Bytes are safe once the file was synced (or, of a single write, when it was asked to be); of the rest each 512-byte
//!   sector may be there or not.
//! - Changes of names are safe once their folder was synced; of the rest a power failure leaves them up to some point.
//!   A file's own sync says nothing of its name.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use stdx::Rng;

pub(crate) const ROOT: u64 = 1;
const SECTOR: usize = 512;

type Names = BTreeMap<(u64, OsString), u64>;

/// A change of a file's bytes that is not safe yet, or safe among others that are not.
struct Change {
    what: What,
    durable: bool,
}

enum What {
    Write(usize, Vec<u8>),
    Size(usize),
}

impl What {
    fn apply(&self, to: &mut Vec<u8>, mut is_there: impl FnMut() -> bool) {
        match self {
            What::Size(size) => {
                if is_there() {
                    to.resize(*size, 0);
                }
            }
            What::Write(at, data) => {
                for (i, sector) in data.chunks(SECTOR).enumerate() {
                    if is_there() {
                        let at = at + i * SECTOR;
                        to.resize(to.len().max(at + sector.len()), 0);
                        to[at..at + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
    }
}

#[derive(Default)]
struct Node {
    is_folder: bool,
    visible: Vec<u8>,
    stable: Vec<u8>,
    changes: Vec<Change>,
}

enum NameChange {
    Set((u64, OsString), u64),
    Remove((u64, OsString)),
    Move((u64, OsString), (u64, OsString)),
}

impl NameChange {
    fn touches(&self, folder: u64) -> bool {
        match self {
            NameChange::Set((f, _), _) | NameChange::Remove((f, _)) => *f == folder,
            NameChange::Move((from, _), (to, _)) => *from == folder || *to == folder,
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Set(name, node) => drop(names.insert(name.clone(), *node)),
            NameChange::Remove(name) => drop(names.remove(name)),
            NameChange::Move(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

/// Everything.
pub(crate) struct State {
    nodes: BTreeMap<u64, Node>,
    next_node: u64,
    visible: Names,
    stable: Names,
    journal: Vec<NameChange>,
    left: u64,
    failed: bool,
}

/// An errno.
pub(crate) type Error = i32;

impl State {
    pub(crate) fn new() -> State {
        let root = Node { is_folder: true, ..Node::default() };
        State {
            nodes: BTreeMap::from([(ROOT, root)]),
            next_node: ROOT + 1,
            visible: Names::new(),
            stable: Names::new(),
            journal: Vec::new(),
            left: u64::MAX,
            failed: false,
        }
    }

    pub(crate) fn fail_after(&mut self, operations: u64) {
        self.left = operations;
    }
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Any operation: an error once the power is gone.
    pub(crate) fn alive(&self) -> Result<(), Error> {
        if self.failed { Err(libc::EIO) } else { Ok(()) }
    }

    /// A change or a sync: counted.
    fn count(&mut self) -> Result<(), Error> {
        self.alive()?;
        if self.left == 0 {
            self.failed = true;
            return Err(libc::EIO);
        }
        self.left -= 1;
        Ok(())
    }

    /// The power comes back. Handles from before are of no use: every file has another number.
    pub(crate) fn restore(&mut self, seed: u64) {
        let mut rng = Rng::new(seed);
        let kept = rng.below(self.journal.len() as u64 + 1) as usize;
        self.journal.drain(..).take(kept).for_each(|c| c.apply(&mut self.stable));
        // All, nothing, or each sector by chance.
        let mode = rng.below(4);
        let mut nodes = std::mem::take(&mut self.nodes);
        let mut names = Names::new();
        let mut folders = BTreeSet::from([(ROOT, ROOT)]);
        self.nodes.insert(ROOT, Node { is_folder: true, ..Node::default() });
        while let Some((old_folder, folder)) = folders.pop_first() {
            let inside = self.stable.range((old_folder, OsString::new())..);
            for ((_, name), old) in inside.take_while(|((f, _), _)| *f == old_folder) {
                let Some(mut node) = nodes.remove(old) else { continue };
                for change in std::mem::take(&mut node.changes) {
                    let there = |rng: &mut Rng| match mode {
                        0 => false,
                        1 => true,
                        _ => rng.chance(1, 2),
                    };
                    change.what.apply(&mut node.stable, || change.durable || there(&mut rng));
                }
                node.visible.clone_from(&node.stable);
                let number = self.next_node;
                self.next_node += 1;
                if node.is_folder {
                    folders.insert((*old, number));
                }
                self.nodes.insert(number, node);
                names.insert((folder, name.clone()), number);
            }
        }
        self.visible.clone_from(&names);
        self.stable = names;
        (self.left, self.failed) = (u64::MAX, false);
    }

    pub(crate) fn lookup(&self, folder: u64, name: &OsString) -> Result<u64, Error> {
        self.alive()?;
        self.visible.get(&(folder, name.clone())).copied().ok_or(libc::ENOENT)
    }

    /// Whether it is a folder, and its size.
    pub(crate) fn look(&self, node: u64) -> Result<(bool, u64), Error> {
        self.alive()?;
        let node = self.nodes.get(&node).ok_or(libc::EIO)?;
        Ok((node.is_folder, node.visible.len() as u64))
    }

    pub(crate) fn list(&self, folder: u64) -> Result<Vec<(OsString, u64, bool)>, Error> {
        self.alive()?;
        let inside = self.visible.iter().filter(|((f, _), _)| *f == folder);
        Ok(inside.map(|((_, name), node)| (name.clone(), *node, self.nodes[node].is_folder)).collect())
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.visible);
        self.journal.push(change);
    }

    pub(crate) fn make(&mut self, folder: u64, name: OsString, is_folder: bool) -> Result<u64, Error> {
        self.count()?;
        if self.visible.contains_key(&(folder, name.clone())) {
            return Err(libc::EEXIST);
        }
        let node = self.next_node;
        self.next_node += 1;
        self.nodes.insert(node, Node { is_folder, ..Node::default() });
        self.change_names(NameChange::Set((folder, name), node));
        Ok(node)
    }

    pub(crate) fn remove(&mut self, folder: u64, name: OsString) -> Result<(), Error> {
        self.count()?;
        let node = self.lookup(folder, &name)?;
        if self.visible.keys().any(|(f, _)| *f == node) {
            return Err(libc::ENOTEMPTY);
        }
        self.change_names(NameChange::Remove((folder, name)));
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: (u64, OsString), to: (u64, OsString)) -> Result<(), Error> {
        self.count()?;
        self.lookup(from.0, &from.1)?;
        self.change_names(NameChange::Move(from, to));
        Ok(())
    }

    pub(crate) fn read(&self, node: u64, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        self.alive()?;
        let data = &self.nodes.get(&node).ok_or(libc::EIO)?.visible;
        let from = (offset as usize).min(data.len());
        Ok(data[from..(from + len).min(data.len())].to_vec())
    }

    fn change(&mut self, node: u64, what: What, durable: bool) -> Result<(), Error> {
        self.alive()?;
        // What the power failure meets may still be there, in part.
        let counted = self.count();
        let node = self.nodes.get_mut(&node).ok_or(libc::EIO)?;
        what.apply(&mut node.visible, || true);
        node.changes.push(Change { what, durable: durable && counted.is_ok() });
        counted
    }

    pub(crate) fn write(&mut self, node: u64, offset: u64, data: &[u8], durable: bool) -> Result<(), Error> {
        self.change(node, What::Write(offset as usize, data.to_vec()), durable)
    }

    pub(crate) fn resize(&mut self, node: u64, size: u64) -> Result<(), Error> {
        self.change(node, What::Size(size as usize), false)
    }

    /// Room up to `end`; nothing shrinks.
    pub(crate) fn allocate(&mut self, node: u64, end: u64) -> Result<(), Error> {
        let (_, size) = self.look(node)?;
        self.resize(node, size.max(end))
    }

    pub(crate) fn sync(&mut self, node: u64) -> Result<(), Error> {
        self.count()?;
        let node = self.nodes.get_mut(&node).ok_or(libc::EIO)?;
        for change in std::mem::take(&mut node.changes) {
            change.what.apply(&mut node.stable, || true);
        }
        Ok(())
    }

    pub(crate) fn sync_names(&mut self, folder: u64) -> Result<(), Error> {
        self.count()?;
        self.journal.extract_if(.., |c| c.touches(folder)).for_each(|c| c.apply(&mut self.stable));
        Ok(())
    }
}
