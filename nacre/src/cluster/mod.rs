//! A cluster's directory on one host: its layout, its settings, its daemons and what it advertises.

pub mod advert;
pub mod files;
pub mod layout;
pub mod process;
pub mod settings;
