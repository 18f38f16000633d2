//! One file per noun of the command line.

mod answer;
pub mod daemon;
pub mod fsck;
pub mod gateway;
pub mod health;
pub mod mon;
pub mod object;
pub mod osd;
pub mod pg;
pub mod pool;
pub mod status;
pub mod user;
