//! Telling the device which of its space holds nothing any more.
//!
//! A run is discarded only when the record that freed it lies below the trim point, and is given out again only
//! when the device is done with it: no pointer that a crash could bring back leads there, and no new data either.

use super::{Operation, Store};
use crate::config::DiscardMode;
use crate::device::{DeviceError, DiscardSupport};
use crate::error::StoreError;
use crate::layout::UNIT;

impl Store {
    /// Whether freed space is discarded from now on.
    pub fn set_discard(&mut self, mode: DiscardMode) {
        let on = match (mode, self.device.discard_support()) {
            (DiscardMode::Off, _) | (_, DiscardSupport::None) => false,
            (DiscardMode::Auto, support) => support == DiscardSupport::Announced,
            (DiscardMode::On, _) => true,
        };
        if on != self.space.discards.is_on() && !self.stopped {
            tracing::info!(on, "freed space is discarded");
            self.space.discards.turn(on);
            if !on {
                self.space.skip_discards();
            }
        }
    }

    /// Hands over the next run, unless one is under way.
    pub(super) fn discard_next(&mut self) {
        if let Some(run) = self.space.discards.next() {
            let offset = self.geometry().unit_offset(run.start);
            let tag = self.operations.insert(Operation::Discard);
            self.device.discard(tag, offset, run.len * UNIT);
        }
    }

    /// All space that waits for discards is wanted now. Blocks for the one under way.
    pub(super) fn end_discards(&mut self) -> Result<(), StoreError> {
        self.space.skip_discards();
        while self.space.discards.units() > 0 {
            self.wait()?;
        }
        Ok(())
    }

    /// A discard that fails changes nothing for anybody; it is not tried again in this life.
    pub(super) fn discarded(&mut self, result: Result<(), DeviceError>) {
        self.space.discard_done();
        match result {
            Ok(()) => self.discard_next(),
            Err(error) => {
                tracing::warn!(%error, "the device does not discard; freed space is used again without");
                self.space.discards.turn(false);
                self.space.skip_discards();
            }
        }
    }
}
