//! osd-store.
