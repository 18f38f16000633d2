//! How a command ends: 0; 1, the answer is no; 2, usage or the cluster cannot be reached.

use crate::cli::Format;
use crate::output;
use std::fmt;

/// A command's failure: one clear sentence and the exit code that scripts rely on.
#[derive(Debug)]
pub(crate) struct Failure {
    /// 1: the answer is no. 2: usage, or nothing could be asked.
    pub code: u8,
    /// What happened, where, and what to do next.
    pub sentence: String,
    /// Whether standard output holds the answer for programs already.
    pub answered: bool,
}

impl Failure {
    /// The answer is no.
    pub(crate) fn no(sentence: impl fmt::Display) -> Failure {
        Failure { code: 1, sentence: sentence.to_string(), answered: false }
    }
    /// Usage, or the cluster cannot be reached.
    pub(crate) fn unusable(sentence: impl fmt::Display) -> Failure {
        Failure { code: 2, sentence: sentence.to_string(), answered: false }
    }
    /// The same where the answer for programs was printed already.
    pub(crate) fn answered(self) -> Failure {
        Failure { answered: true, ..self }
    }
    /// The failure for programs: one JSON object as on success; none where the answer was printed already.
    fn json(&self) -> Option<serde_json::Value> {
        (!self.answered).then(|| serde_json::json!({ "error": self.sentence, "code": self.code }))
    }
    /// Tells it: people by standard error, programs by standard output as well.
    pub(crate) fn say(&self, format: Format) {
        eprintln!("nacre: {self}");
        // A command that answered and failed all the same, as a check that found something, is not answered twice.
        if let Some(json) = self.json().filter(|_| format == Format::Json && !output::said()) {
            println!("{json}");
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Adds what was being done to an error of the world.
pub(crate) trait Context<T> {
    /// Exit code 2 with `doing: error`.
    fn or_unusable(self, doing: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn or_unusable(self, doing: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|e| Failure::unusable(format!("{doing}: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_one_object_whatever_the_answer() {
        let no = Failure::no("there is no osd.7");
        assert_eq!(no.json(), Some(serde_json::json!({ "error": "there is no osd.7", "code": 1 })));
        assert_eq!(no.answered().json(), None);
    }
}
