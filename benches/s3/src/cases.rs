//! The rows of the table: what is asked, how large, over how many connections, and which ratio is the least.

/// What a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// New keys all the time.
    Put,
    /// Objects that were there before, in random order.
    Get,
    /// The same, without the body.
    Head,
    /// A page of a thousand keys of a bucket of several thousand.
    List,
    /// What the row `Put` of the same size wrote, each once.
    Delete,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// What it does.
    pub(crate) verb: Verb,
    /// Bytes of the objects.
    pub(crate) size: usize,
    /// How many times the peer's rate is wanted at least; 0: nothing was asked.
    pub(crate) ratio_min: f64,
    /// Also in the short form.
    pub(crate) short: bool,
}

impl Case {
    const fn new(verb: Verb, size: usize, ratio_min: f64, short: bool) -> Case {
        Case { verb, size, ratio_min, short }
    }

    /// Requests under way at once. Few large ones, so that memory is not what is measured.
    pub(crate) fn connections(&self) -> usize {
        if self.size >= MIB4 && matches!(self.verb, Verb::Put | Verb::Get) { 8 } else { 32 }
    }

    /// As people call it.
    pub(crate) fn name(&self) -> String {
        let size = match self.size {
            MIB4 => "4 MiB".to_string(),
            n => format!("{} KiB", n >> 10),
        };
        match self.verb {
            Verb::Put => format!("PUT {size}"),
            Verb::Get => format!("GET {size}"),
            Verb::Head => format!("HEAD {size}"),
            Verb::List => format!("LIST {LIST_PAGE}"),
            Verb::Delete => format!("DELETE {size}"),
        }
    }
}

/// Keys of a page of a listing.
pub(crate) const LIST_PAGE: usize = 1000;

const KIB4: usize = 4 << 10;
const KIB64: usize = 64 << 10;
const MIB4: usize = 4 << 20;

/// The sizes, and how many objects of each are there for GET and HEAD.
pub(crate) const PRELOADED: [(usize, usize); 3] = [(KIB4, 2000), (KIB64, 1000), (MIB4, 48)];

/// The rows of objects on shards beside objects in copies.
pub(crate) const SHARD_CASES: [Case; 2] =
    [Case::new(Verb::Put, MIB4, 1.3, true), Case::new(Verb::Get, MIB4, 0.9, true)];

/// All rows, in the order they run. A DELETE stands behind its PUT.
pub(crate) const CASES: [Case; 13] = [
    Case::new(Verb::Put, KIB4, 10.0, true),
    Case::new(Verb::Get, KIB4, 4.5, true),
    Case::new(Verb::Head, KIB4, 3.0, true),
    Case::new(Verb::Delete, KIB4, 8.0, true),
    Case::new(Verb::Put, KIB64, 5.0, true),
    Case::new(Verb::Get, KIB64, 3.5, true),
    Case::new(Verb::Head, KIB64, 3.0, false),
    Case::new(Verb::Delete, KIB64, 8.0, false),
    Case::new(Verb::Put, MIB4, 2.0, true),
    Case::new(Verb::Get, MIB4, 1.2, true),
    Case::new(Verb::Head, MIB4, 3.0, false),
    Case::new(Verb::Delete, MIB4, 8.0, false),
    Case::new(Verb::List, KIB4, 4.0, true),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delete_has_its_put_before_it_and_names_differ() {
        for (i, case) in CASES.iter().enumerate() {
            let put_before = CASES[..i].iter().any(|c| c.verb == Verb::Put && c.size == case.size);
            assert!(case.verb != Verb::Delete || put_before, "{}", case.name());
            assert!(CASES[..i].iter().all(|c| c.name() != case.name()), "{}", case.name());
            assert!(PRELOADED.iter().any(|(size, _)| *size == case.size), "{}", case.name());
        }
    }
}
