//! What the documents point at is there: paths in backticks in docs/ARCHITECTURE.md, and relative links in all of them.

use super::{Findings, Tree};

const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";

/// Checks all tracked Markdown files.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for file in tree.files.iter().filter(|f| f.path.ends_with(".md")) {
        for (number, line) in prose(&file.text) {
            let at = format!("{}:{number}", file.path);
            if file.path == ARCHITECTURE {
                for path in code_spans(line).flat_map(paths_in).filter(|path| !tree.exists(path)) {
                    findings.error(format!(
                        "{at}: `{path}` does not exist (paths are from the root of the checkout)"
                    ));
                }
            }
            for target in link_targets(line) {
                let path = beside(&file.path, target);
                if !path.is_some_and(|p| p.is_empty() || tree.exists(&p)) {
                    findings.error(format!("{at}: the link to `{target}` leads nowhere"));
                }
            }
        }
    }
}

/// The numbered lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((i + 1, line))
    })
}

/// What stands between single backticks.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    let parts: Vec<&str> = line.split('`').collect();
    // The last part is outside, or an unclosed span.
    let inside = parts.len().saturating_sub(1);
    parts.into_iter().take(inside).skip(1).step_by(2)
}

/// The paths of the checkout that a code span names: none when it is something else (a command, an absolute path, a
/// URL, a type with a slash in it, an operator's placeholder like `DIR/osd.N`), several when it has braces.
fn paths_in(span: &str) -> Vec<String> {
    let looks_like_path = span.contains('/') || span.ends_with(".rs") || span.ends_with(".md");
    let is_other = span.is_empty()
        || span.starts_with(['/', '~', '$', '-', '<', '.'])
        || span.contains("://")
        || span.contains(|c: char| c.is_whitespace() || "*<>()=|\"'".contains(c))
        || span.split('/').next().is_some_and(is_placeholder);
    if !looks_like_path || is_other {
        return Vec::new();
    }
    // `file.rs:12` and `folder/file.rs::Item` name the file.
    let path = span.split_once("::").map_or(span, |(path, _)| path);
    let path = path.split_once(':').map_or(path, |(path, _)| path);
    braces(path)
}

/// `DIR`, `POOL`: a word that the reader replaces.
fn is_placeholder(part: &str) -> bool {
    part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// `a/{b,c}.rs` names `a/b.rs` and `a/c.rs`.
fn braces(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![path.to_owned()] };
    inside.split(',').flat_map(|part| braces(&format!("{before}{}{after}", part.trim()))).collect()
}

/// The targets of `[text](target)` that are files of ours.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ']).next()?;
        let target = target.split('#').next()?;
        let elsewhere = target.contains("://") || target.starts_with("mailto:") || target.starts_with('/');
        (!elsewhere).then_some(target)
    })
}

/// `target` as the document `from` means it, from the root of the checkout; `None` when it leads out of it.
fn beside(from: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(String::new());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Tracked;
    use crate::metadata::Graph;
    use crate::places::Places;
    use crate::scratch::Scratch;
    use crate::tidy::tests::findings;

    fn errors_of(path: &str, text: &str) -> Vec<String> {
        let scratch = Scratch::new("doc-paths", &["osd/pg/src/lib.rs", "docs/STYLE.md", "README.md"]);
        let dir = scratch.dir.clone();
        let places = Places { root: dir.clone(), cache: dir.clone(), target: dir };
        let files = vec![Tracked { path: path.into(), text: text.into() }];
        findings(check, &Tree { places, files, graph: Graph::default() }).0
    }

    #[test]
    fn paths_that_exist_pass_and_others_are_named() {
        let good =
            "See `osd/pg/`, `osd/pg/src/lib.rs`, `README.md`, `osd/{pg,pg/src}` and `osd/pg/src/lib.rs:3`.";
        assert_eq!(errors_of(ARCHITECTURE, good), [""; 0]);
        let errors = errors_of(ARCHITECTURE, "ok\n`osd/gone` and `gone.rs` and `osd/{pg,lost}`");
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors[0].contains("docs/ARCHITECTURE.md:2: `osd/gone`"), "{errors:?}");
        assert!(errors[2].contains("`osd/lost`"), "{errors:?}");
    }

    #[test]
    fn what_is_not_a_path_of_ours_is_left_alone() {
        let text = "`up`, `/sys/block`, `DIR/osd.N`, `https://x/y`, `cargo run a/b`, `~/.cache`, `a*/b`\n\
                    ```\n`osd/gone`\n```\nan odd ` backtick a/b";
        assert_eq!(errors_of(ARCHITECTURE, text), [""; 0]);
        assert_eq!(errors_of("docs/OTHER.md", "`osd/gone`"), [""; 0], "only one document promises this");
    }

    #[test]
    fn relative_links_of_all_documents_must_lead_somewhere() {
        let good = "[a](STYLE.md) [b](../README.md#top) [c](#here) [d](https://example.org/x) [e](../osd/pg)";
        assert_eq!(errors_of("docs/OTHER.md", good), [""; 0]);
        for bad in ["[a](README.md)", "[a](../../etc/passwd)", "[a](GONE.md#x)"] {
            assert_eq!(errors_of("docs/OTHER.md", bad).len(), 1, "{bad}");
        }
    }
}
