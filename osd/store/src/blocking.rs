//! Writes and flushes one at a time, blocking: for making and opening a store.

use crate::device::{Device, DeviceError};
use bytes::Bytes;

/// Writes and waits.
pub(crate) fn write(device: &mut dyn Device, offset: u64, data: Bytes) -> Result<(), DeviceError> {
    device.write(0, offset, data);
    finish(device)
}

/// Flushes and waits.
pub(crate) fn flush(device: &mut dyn Device) -> Result<(), DeviceError> {
    device.flush(0);
    finish(device)
}

fn finish(device: &mut dyn Device) -> Result<(), DeviceError> {
    device.submit()?;
    loop {
        if let Some(event) = device.reap() {
            return event.result;
        }
        device.wait()?;
    }
}
