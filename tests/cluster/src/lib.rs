//! tests-cluster.
