//! Licence expressions as crates state them (SPDX 2.3 annex D; `/` is crates.io's old way to write OR).

use std::collections::BTreeSet;

/// Whether `expression` can be satisfied with the licences in `allowed`. `X WITH Y` counts as one licence of that
/// name. `Err` says what is wrong with an expression that cannot be read.
pub(crate) fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let tokens = tokens(expression);
    let mut parser = Parser { tokens: &tokens, allowed, depth: 0 };
    let result = parser.any()?;
    match parser.tokens {
        [] => Ok(result),
        [extra, ..] => Err(format!("`{extra}` is not expected in the licence `{expression}`")),
    }
}

/// Deepest nesting of parentheses that is followed: recursion is bounded by this, whatever a crate states.
const MAX_DEPTH: u32 = 32;

fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Parser<'a> {
    tokens: &'a [String],
    allowed: &'a BTreeSet<String>,
    depth: u32,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        match self.tokens {
            [first, rest @ ..] if first == word => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    /// `all OR all OR ...`: AND binds tighter.
    fn any(&mut self) -> Result<bool, String> {
        let mut result = self.all()?;
        while self.take("OR") {
            result |= self.all()?;
        }
        Ok(result)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut result = self.one()?;
        while self.take("AND") {
            result &= self.one()?;
        }
        Ok(result)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err("parentheses are nested too deep".into());
            }
            let result = self.any()?;
            self.depth -= 1;
            return if self.take(")") { Ok(result) } else { Err("a `)` is missing".into()) };
        }
        let [name, rest @ ..] = self.tokens else {
            return Err("the expression ends too early".into());
        };
        if matches!(name.as_str(), ")" | "OR" | "AND" | "WITH") {
            return Err(format!("`{name}` where a licence should be"));
        }
        let mut name = name.clone();
        self.tokens = rest;
        if self.take("WITH") {
            let [exception, rest @ ..] = self.tokens else {
                return Err("WITH without an exception".into());
            };
            name = format!("{name} WITH {exception}");
            self.tokens = rest;
        }
        Ok(self.allowed.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> BTreeSet<String> {
        ["MIT", "ISC", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"]
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn choices_need_one_and_conjunctions_need_all() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0/MIT", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("GPL-3.0 AND MIT OR GPL-3.0", false),
            ("(GPL-3.0 OR MIT) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
        ] {
            assert_eq!(satisfied(expression, &allowed()), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_not_a_yes() {
        let deep = "(".repeat(1000);
        for bad in ["", "OR", "MIT OR", "MIT MIT", "(MIT", "MIT)", "MIT WITH", deep.as_str()] {
            assert!(satisfied(bad, &allowed()).is_err(), "{bad}");
        }
    }
}
