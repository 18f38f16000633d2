//! osd-pg.
