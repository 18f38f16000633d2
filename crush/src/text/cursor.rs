//! Reading words one after another, with the checks every block needs.

use super::token::Token;
use super::{Fault, TextError};
use crate::is_valid_name;

/// A place in the words of a text. There is always a next word: the last one is empty.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'t, 'a> Cursor<'t, 'a> {
    /// `tokens` end with the empty word.
    pub(super) fn new(tokens: &'t [Token<'a>]) -> Self {
        assert!(tokens.last().is_some_and(|last| last.word.is_empty()), "words end with the empty one");
        Self { tokens }
    }

    pub(super) fn peek(&self) -> Token<'a> {
        self.tokens[0]
    }

    pub(super) fn at_end(&self) -> bool {
        self.peek().word.is_empty()
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        if !self.at_end() {
            self.tokens = &self.tokens[1..];
        }
        token
    }

    /// Takes the next word if it is `word`.
    pub(super) fn accept(&mut self, word: &str) -> Option<Token<'a>> {
        (self.peek().word == word).then(|| self.next())
    }

    /// Takes `word`, which must come next.
    pub(super) fn expect(&mut self, word: &'static str) -> Result<Token<'a>, TextError> {
        self.accept(word).ok_or_else(|| self.unexpected(word))
    }

    /// The error that something else should have come.
    pub(super) fn unexpected(&self, wanted: &'static str) -> TextError {
        let token = self.peek();
        token.fault(Fault::Expected { wanted, found: token.word.to_owned() })
    }

    pub(super) fn name(&mut self, what: &'static str) -> Result<Token<'a>, TextError> {
        if is_valid_name(self.peek().word) { Ok(self.next()) } else { Err(self.unexpected(what)) }
    }

    /// A whole number within bounds.
    pub(super) fn integer(&mut self, what: &'static str, min: i64, max: i64) -> Result<i64, TextError> {
        let token = self.peek();
        let digits = token.word.strip_prefix('-').unwrap_or(token.word);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.unexpected(what));
        }
        match token.word.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => {
                self.next();
                Ok(number)
            }
            _ => Err(token.fault(Fault::OutOfRange { number: token.word.to_owned(), what })),
        }
    }

    /// A weight: a decimal number from 0 to `max`, turned into 16.16 in single precision as Ceph does.
    pub(super) fn weight(&mut self, max: u32) -> Result<u32, TextError> {
        let token = self.peek();
        let numeric = token.word.bytes().any(|byte| byte.is_ascii_digit())
            && token.word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number = if numeric { token.word.parse::<f32>().ok() } else { None };
        let Some(number) = number else { return Err(self.unexpected("a weight")) };
        if !(0.0..=max as f32).contains(&number) {
            return Err(token.fault(Fault::OutOfRange { number: token.word.to_owned(), what: "a weight" }));
        }
        self.next();
        Ok((number * 65536.0) as u32)
    }
}
