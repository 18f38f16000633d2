//! `cargo xtask up`: from a fresh checkout to a running cluster.

use crate::failure::Failure;
use crate::packages;
use crate::places::Places;
use crate::process;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Installs what building needs, builds `nacre`, and becomes `nacre up`.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let places = Places::find()?;
    packages::ensure_for_building()?;
    println!("building nacre (the first build compiles RocksDB, which takes a while)...");
    process::run(process::cargo(&places).args(["build", "--release", "-p", "nacre"]))?;
    // The caller's folder stays the current one: relative paths in the arguments mean what they say.
    let mut nacre = Command::new(places.nacre());
    nacre.args(nacre_args(args, std::env::var_os("NACRE_DATA")));
    // exec: signals, the terminal and the exit code are nacre's own from here on.
    let error = nacre.exec();
    Err(Failure::Machine(format!("cannot start {}: {error}", places.nacre().display())))
}

/// `up --data DIR ARGS`, unless the arguments say already where the data is.
fn nacre_args(args: &[String], from_env: Option<OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["up".into()];
    if !args.iter().any(|a| a == "--data" || a.starts_with("--data=")) {
        let dir = from_env.filter(|d| !d.is_empty()).unwrap_or_else(|| "./nacre-data".into());
        all.extend(["--data".into(), dir]);
    }
    all.extend(args.iter().map(OsString::from));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(given: &[&str], env: Option<&str>) -> Vec<String> {
        let given: Vec<String> = given.iter().map(|s| s.to_string()).collect();
        nacre_args(&given, env.map(OsString::from))
            .into_iter()
            .map(|a| a.into_string().expect("UTF-8"))
            .collect()
    }

    #[test]
    fn the_data_folder_is_the_argument_else_the_variable_else_the_default() {
        assert_eq!(args(&["--osds", "5"], None), ["up", "--data", "./nacre-data", "--osds", "5"]);
        assert_eq!(args(&[], Some("/srv/n")), ["up", "--data", "/srv/n"]);
        assert_eq!(args(&[], Some("")), ["up", "--data", "./nacre-data"]);
        assert_eq!(args(&["--data", "d"], Some("/srv/n")), ["up", "--data", "d"]);
        assert_eq!(args(&["--data=d"], None), ["up", "--data=d"]);
    }
}
