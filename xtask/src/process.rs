//! Starting other programs: cargo above all, and saying clearly what went wrong when one fails.

use crate::failure::Failure;
use crate::places::Places;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// A `cargo` in the checkout that builds into our target folder.
///
/// What `cargo run` put into our environment about the xtask package is taken out again, so that a child sees what it
/// would see when started by hand and no build script finds a reason to run (and RocksDB to compile) again.
pub(crate) fn cargo(places: &Places) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&places.root).env("CARGO_TARGET_DIR", &places.target);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_our_package) {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether cargo set the variable `name` to describe the package that it runs.
fn describes_our_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_PRIMARY_PACKAGE"
}

/// Runs `command` with our own output streams. A non-zero exit is a failed check.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let text = describe(command);
    let status = command.status().map_err(|e| cannot_start(command, &e))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Check(format!("`{text}` {}", describe_status(status))))
    }
}

/// Runs `command` with our own output streams and returns its exit code.
pub(crate) fn exit_code(command: &mut Command) -> Result<i32, Failure> {
    let status = command.status().map_err(|e| cannot_start(command, &e))?;
    let text = describe(command);
    status.code().ok_or_else(|| Failure::Check(format!("`{text}` {}", describe_status(status))))
}

/// Runs `command` and returns what it printed on standard output; its standard error passes through.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let text = describe(command);
    let output = command.stderr(Stdio::inherit()).output().map_err(|e| cannot_start(command, &e))?;
    if !output.status.success() {
        return Err(Failure::Check(format!("`{text}` {}", describe_status(output.status))));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::Machine(format!("`{text}` printed something that is not UTF-8")))
}

/// Runs `command` silently; what it printed (both streams) when it succeeded, `None` when it failed or is not there.
pub(crate) fn probe(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Some(text)
}

/// The first program called `name` on PATH.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    which_in(name, &std::env::var_os("PATH")?)
}

fn which_in(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|dir| dir.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The command as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

fn describe_status(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => format!("ended with {status}"),
    }
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::Machine(format!("cannot start `{}`: {error}", Path::new(command.get_program()).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_child_is_named_with_its_exit_code_or_signal() {
        let failure = run(Command::new("/bin/sh").args(["-c", "exit 7"])).expect_err("exit 7");
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.to_string().contains("exit code 7"), "{failure}");
        let failure = run(Command::new("/bin/sh").args(["-c", "kill -9 $$"])).expect_err("killed");
        assert!(failure.to_string().contains("signal 9"), "{failure}");
        let failure = run(&mut Command::new("/nonexistent/program")).expect_err("not there");
        assert_eq!(failure.exit_code(), 2);
    }

    #[test]
    fn exit_codes_pass_through_and_signals_are_named() {
        assert_eq!(exit_code(Command::new("/bin/sh").args(["-c", "exit 2"])).expect("it ended"), 2);
        let killed = exit_code(Command::new("/bin/sh").args(["-c", "kill -9 $$"])).expect_err("killed");
        assert!(killed.to_string().contains("signal 9"), "{killed}");
    }

    #[test]
    fn output_is_what_the_child_printed() {
        assert_eq!(output(Command::new("/bin/sh").args(["-c", "echo one"])).expect("runs"), "one\n");
        assert_eq!(probe(Command::new("/bin/sh").args(["-c", "echo one; exit 1"])), None);
    }

    #[test]
    fn programs_are_looked_up_by_name_and_must_be_executable() {
        let path = OsStr::new("/nonexistent:/bin:/usr/bin");
        assert!(which_in("sh", path).is_some());
        assert_eq!(which_in("passwd", OsStr::new("/etc")), None);
    }

    #[test]
    fn only_what_cargo_says_about_our_package_is_hidden_from_children() {
        assert!(describes_our_package("CARGO_PKG_NAME"));
        assert!(describes_our_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_our_package("CARGO_HOME"));
        assert!(!describes_our_package("CARGO_NET_OFFLINE"));
    }
}
