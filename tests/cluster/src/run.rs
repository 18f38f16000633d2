//! Running a program to its end, with a time limit, keeping what it said.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A program that has ended.
pub struct Finished {
    /// As a person would type it.
    pub what: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How long it ran.
    pub took: Duration,
}

impl Finished {
    /// Its standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
    /// Its standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
    /// Its exit code, -1 if a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
    /// Panics with all it said unless it succeeded.
    pub fn ok(self) -> Finished {
        assert!(self.status.success(), "`{}` ended with {}\n{}", self.what, self.status, self.said());
        self
    }
    /// Panics with all it said unless it ended with this exit code, and said this on standard error.
    pub fn fails(self, code: i32, says: &str) -> Finished {
        let as_wanted = self.code() == code && self.err().contains(says);
        assert!(
            as_wanted,
            "`{}` ended with {}, not {code} and {says:?}\n{}",
            self.what,
            self.status,
            self.said()
        );
        self
    }
    /// The end of both its streams.
    pub fn said(&self) -> String {
        format!("stdout: {}\nstderr: {}", tail(&self.out(), 40), tail(&self.err(), 40))
    }
}

/// The last `lines` lines of `text`.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Runs `command`; kills it and panics when it takes longer than `patience`.
pub fn run(command: &mut Command, patience: Duration) -> Finished {
    let what = describe(command);
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("`{what}` cannot be started: {e}"));
    let out = reader(child.stdout.take());
    let err = reader(child.stderr.take());
    let status = loop {
        match child.try_wait().unwrap_or_else(|e| panic!("`{what}`: {e}")) {
            Some(status) => break Some(status),
            None if begin.elapsed() > patience => {
                // It may end in this very moment; either way it is gone after this.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let (stdout, stderr) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    match status {
        Some(status) => Finished { what, status, stdout, stderr, took: begin.elapsed() },
        None => panic!(
            "`{what}` did not end within {:.0} s\nstdout: {}\nstderr: {}",
            patience.as_secs_f64(),
            tail(&String::from_utf8_lossy(&stdout), 40),
            tail(&String::from_utf8_lossy(&stderr), 40)
        ),
    }
}

/// A program in the background, ended when this value goes.
pub struct Background(std::process::Child);

impl Background {
    /// Starts `command` with its standard error in a file.
    pub fn start(command: &mut Command, errors: &std::path::Path) -> Background {
        let what = describe(command);
        let file = std::fs::File::create(errors).unwrap_or_else(|e| panic!("{}: {e}", errors.display()));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn();
        Background(child.unwrap_or_else(|e| panic!("`{what}` cannot be started: {e}")))
    }
    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap_or_else(|e| panic!("a child cannot be waited for: {e}"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It has ended by itself, or ends now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn reader<R: Read + Send + 'static>(stream: Option<R>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut stream) = stream {
            // A read error ends the text early; the exit status says the rest.
            let _ = stream.read_to_end(&mut all);
        }
        all
    })
}

fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_said_and_how_it_ended_is_kept() {
        let done =
            run(Command::new("/bin/sh").args(["-c", "echo a; echo b >&2; exit 3"]), Duration::from_secs(20));
        assert_eq!((done.out().as_str(), done.err().as_str(), done.code()), ("a\n", "b\n", 3));
    }

    #[test]
    #[should_panic(expected = "did not end")]
    fn a_program_that_hangs_is_ended() {
        run(Command::new("/bin/sh").args(["-c", "exec sleep 600"]), Duration::from_millis(50));
    }
}
