//! No tracked file names a folder of the machine it was written on: such a path is broken everywhere else.

use super::{Findings, Tree};

/// Folders of development machines. Put together from pieces, so that this file passes.
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/fa", "rm/")];

/// Checks all tracked files.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(folder) = MACHINE.iter().find(|folder| names(line, folder)) {
                findings.error(format!(
                    "{}:{}: names `{folder}`, which other machines do not have: say it relative to the checkout",
                    file.path,
                    number + 1
                ));
            }
        }
    }
}

/// Whether `line` holds `folder` as the beginning of a path, not as its middle (`osd/root/` is fine).
fn names(line: &str, folder: &str) -> bool {
    let middle = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')' | '*');
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(middle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::errors;

    #[test]
    fn absolute_paths_are_found_and_relative_ones_are_not() {
        for folder in MACHINE {
            for line in [
                format!("{folder}x"),
                format!("see `{folder}x`"),
                format!("\"{folder}\""),
                format!("-I{folder}").replace('I', "="),
            ] {
                assert_eq!(errors(check, &[("a.md", &line)]).len(), 1, "{line}");
            }
            for line in [
                format!("crush{folder}x"),
                format!("$HOME{folder}x"),
                format!("https://host.example{folder}x"),
            ] {
                assert_eq!(errors(check, &[("a.md", &line)]), [""; 0], "{line}");
            }
        }
    }
}
