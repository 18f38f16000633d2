//! nacre.
fn main() {}
