//! Words of a text map: names and numbers, brackets; `#` starts a comment.

use super::{Fault, TEXT_BYTES_MAX, TextError};

/// A word with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) word: &'a str,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Token<'_> {
    /// A fault at this word.
    pub(super) fn fault(&self, fault: Fault) -> TextError {
        TextError { line: self.line, column: self.column, fault }
    }
}

fn is_word(c: char) -> bool {
    // '+' only stands in numbers such as 1e+3.
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+')
}

/// Splits a text into words. The last token is empty and stands where the text ends.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, TextError> {
    let mut tokens = Vec::new();
    if text.len() > TEXT_BYTES_MAX {
        return Err(TextError { line: 1, column: 1, fault: Fault::TooLong });
    }
    let mut last = (1, 1);
    for (index, whole) in text.lines().enumerate() {
        let line = index + 1;
        let code = whole.split_once('#').map_or(whole, |(code, _)| code);
        let mut chars = code.char_indices().enumerate().peekable();
        while let Some((column, (start, c))) = chars.next() {
            let column = column + 1;
            let mut end = start + c.len_utf8();
            if c.is_whitespace() {
                continue;
            } else if is_word(c) {
                while let Some((_, (at, c))) = chars.next_if(|(_, (_, c))| is_word(*c)) {
                    end = at + c.len_utf8();
                }
            } else if !matches!(c, '{' | '}' | '[' | ']') {
                return Err(TextError { line, column, fault: Fault::BadCharacter(c) });
            }
            tokens.push(Token { word: &code[start..end], line, column });
        }
        last = (line, code.chars().count() + 1);
    }
    tokens.push(Token { word: "", line: last.0, column: last.1 });
    Ok(tokens)
}
