//! osd-class.
