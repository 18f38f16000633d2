//! A cluster's directory on one host: its layout, its settings, its daemons and what it advertises.

pub(crate) mod advert;
pub(crate) mod files;
pub(crate) mod layout;
pub(crate) mod make_osd;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod settings;
