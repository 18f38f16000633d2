//! placement-monitor.
