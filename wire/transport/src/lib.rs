//! wire-transport.
