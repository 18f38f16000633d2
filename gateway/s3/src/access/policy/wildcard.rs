//! Patterns of policies: `*` stands for any text, `?` for one character.

/// Whether all of `text` is like `pattern`. Takes at most the product of their lengths in steps.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and up to where it stands for text.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, upto)) => {
                    star = Some((at, upto + 1));
                    (p, t) = (at + 1, upto + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in
            [("*", ""), ("*", "a/b"), ("a*c", "abc"), ("a*c", "ac"), ("?b*", "ab"), ("a**", "a")]
        {
            assert!(like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", ""), ("a*c", "acb"), ("?", ""), ("a?", "a"), ("A", "a")] {
            assert!(!like(pattern, text), "{pattern} {text}");
        }
        assert!(like("*ab*ab*", "xabyabz") && !like("*ab*ab*", "xabyaz"));
        assert!(!like(&"*a".repeat(200), &"b".repeat(2000)), "and it ends");
    }
}
