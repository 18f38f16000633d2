//! Names of images, and the names of the objects that hold them (Ceph's RBD uses the same).

use crate::error::BlockError;

/// The longest image name, bytes: what fits an NBD export name with a pool before it, with room to spare.
const NAME_BYTES_MAX: usize = 255;

/// The object that lists a pool's images.
pub(crate) const DIRECTORY: &str = "rbd_directory";

/// Refuses names that could not be told from POOL/NAME@SNAP, or not be printed.
pub fn check_name(name: &str) -> Result<(), BlockError> {
    let bad = |why: &str| Err(BlockError::Invalid(format!("{name:?} cannot be an image's name: {why}")));
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return bad("it needs 1 to 255 bytes");
    }
    if name.contains(['/', '@']) {
        return bad("/ and @ separate pool, image and snapshot");
    }
    if name.chars().any(char::is_control) {
        return bad("it holds a control character");
    }
    Ok(())
}

/// The header object of an image.
pub(crate) fn header(id: &str) -> String {
    format!("rbd_header.{id}")
}

/// What the names of an image's data objects begin with.
pub(crate) fn data_prefix(id: &str) -> String {
    format!("rbd_data.{id}")
}

/// A data object.
pub(crate) fn data(prefix: &str, index: u64) -> String {
    format!("{prefix}.{index:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_taken_for_something_else_are_refused() {
        for bad in ["", "a/b", "a@b", "a\nb", &"x".repeat(256)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "vm-100-disk-0", "größe", &"x".repeat(255)] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
        assert_eq!(data("rbd_data.1f", 255), "rbd_data.1f.00000000000000ff");
    }
}
