//! Walks rows of an omap in order, by pages that grow while the walk goes straight and shrink when it leaps.

use bytes::Bytes;
use osd_object::draft::Draft;
use osd_object::view::OmapRange;
use std::collections::VecDeque;
use std::ops::Bound;
use stdx::Errno;

const BATCH_MIN: u32 = 8;
const BATCH_MAX: u32 = 512;

/// A walk over the rows `start <= row < end` of a draft.
pub(super) struct Scan<'a, 'v> {
    draft: &'a Draft<'v>,
    range: OmapRange,
    page: VecDeque<(Bytes, Bytes)>,
    more: bool,
    batch: u32,
}

impl<'a, 'v> Scan<'a, 'v> {
    /// A walk that has not read anything yet.
    pub(super) fn new(draft: &'a Draft<'v>, start: Bound<Bytes>, end: Bytes) -> Scan<'a, 'v> {
        let range = OmapRange { start, end: Bound::Excluded(end), ..OmapRange::all() };
        Scan { draft, range, page: VecDeque::new(), more: true, batch: 64 }
    }

    /// The same walk, for a caller who wants a row or two.
    pub(super) fn few(mut self) -> Scan<'a, 'v> {
        self.batch = 2;
        self
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, Errno> {
        while self.page.is_empty() && self.more && !self.range.is_empty() {
            let page = self.draft.omap_range(&self.range.clone().limit(self.batch))?;
            self.batch = (self.batch * 2).min(BATCH_MAX);
            if let Some((last, _)) = page.rows.last() {
                self.range.start = Bound::Excluded(last.clone());
            }
            self.more = page.more;
            self.page = page.rows.into();
        }
        Ok(self.page.pop_front())
    }

    /// Leaps to the first row at or behind `row`.
    pub(super) fn seek(&mut self, row: &[u8]) {
        while self.page.front().is_some_and(|(k, _)| &k[..] < row) {
            self.page.pop_front();
        }
        if self.page.is_empty() && self.more {
            self.range.start = Bound::Included(Bytes::copy_from_slice(row));
            self.batch = BATCH_MIN;
        }
    }
}
