//! osd-daemon.
