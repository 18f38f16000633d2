//! The bytes of a simulated disk as pages that copies share: a copy of a whole disk costs a pointer per page.

use std::ops::Range;
use std::rc::Rc;

const PAGE: usize = 4096;

/// Bytes, zero at first.
#[derive(Clone)]
pub(super) struct Pages(Vec<Option<Rc<[u8; PAGE]>>>);

impl Pages {
    /// So many zeros; whole pages.
    pub(super) fn zeros(bytes: u64) -> Pages {
        let bytes = usize::try_from(bytes).expect("a test device fits into memory");
        assert!(bytes.is_multiple_of(PAGE), "a device is whole pages");
        Pages(vec![None; bytes / PAGE])
    }

    pub(super) fn len(&self) -> u64 {
        (self.0.len() * PAGE) as u64
    }

    /// The pages that a range of bytes touches, with the part of each.
    fn parts(range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            (at < range.end).then(|| {
                let (page, from) = (at / PAGE, at % PAGE);
                let to = (range.end - page * PAGE).min(PAGE);
                at = page * PAGE + to;
                (page, from..to)
            })
        })
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        let at = offset as usize;
        let mut out = out;
        for (page, part) in Pages::parts(at..at + out.len()) {
            let (now, rest) = out.split_at_mut(part.len());
            match &self.0[page] {
                Some(bytes) => now.copy_from_slice(&bytes[part]),
                None => now.fill(0),
            }
            out = rest;
        }
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let at = offset as usize;
        let mut data = data;
        for (page, part) in Pages::parts(at..at + data.len()) {
            let (now, rest) = data.split_at(part.len());
            let bytes = self.0[page].get_or_insert_with(|| Rc::new([0; PAGE]));
            Rc::make_mut(bytes)[part].copy_from_slice(now);
            data = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_part_ways_and_any_range_comes_back() {
        let mut a = Pages::zeros(4 * PAGE as u64);
        a.write(4000, &[7; 5000]);
        let b = a.clone();
        a.write(4090, &[8; 10]);
        let read = |p: &Pages, at: u64, n: usize| {
            let mut out = vec![1; n];
            p.read(at, &mut out);
            out
        };
        assert_eq!(read(&a, 4088, 14), [[7; 2].as_slice(), &[8; 10], &[7; 2]].concat());
        assert_eq!(read(&b, 4088, 14), [7; 14]);
        assert_eq!(read(&b, 3999, 2), [0, 7]);
        assert_eq!(read(&b, 8999, 5000), [vec![7], vec![0; 4999]].concat());
    }
}
