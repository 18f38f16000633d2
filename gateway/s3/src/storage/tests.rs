//! Storage over a cluster in memory.
