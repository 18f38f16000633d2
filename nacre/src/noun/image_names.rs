//! Names that a person cannot give to an image, though it can have them: those of imports under way.

use super::image::answer;
use crate::exit::Failure;
use gateway_block::{BlockError, check_name};

/// What the name of an image begins with until its import is whole. The next import of that name removes it.
const UNFINISHED: &str = ".importing.";

/// The name that an image has until its import is whole.
pub(super) fn unfinished(name: &str) -> String {
    format!("{UNFINISHED}{name}")
}

/// Refuses what cannot be an image's name, and the names of unfinished imports: an image of that name would be removed by
/// the next import.
pub(super) fn check(name: &str) -> Result<(), Failure> {
    check_name(name).map_err(answer)?;
    match name.starts_with(UNFINISHED) {
        false => Ok(()),
        true => Err(answer(BlockError::Invalid(format!(
            "{name:?} cannot be an image's name: {UNFINISHED} begins those of unfinished imports, which are removed"
        )))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_image_has_the_name_of_an_unfinished_import() {
        let failure = check(&unfinished("disk")).unwrap_err();
        assert!(failure.code == 1 && failure.sentence.contains("unfinished imports"), "{failure}");
        assert!(check_name(&unfinished("disk")).is_ok(), "the import itself makes it");
        assert!(check("importing.disk").is_ok() && check("").is_err() && check("a/b").is_err());
    }
}
