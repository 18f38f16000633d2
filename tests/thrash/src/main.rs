//! `cargo xtask thrash --minutes M [--seed S] [--data DIR] [--ec] [--only FAULT,...]`.

use std::process::ExitCode;
use tests_thrash::{Options, USAGE, enter, thrash};

fn main() -> ExitCode {
    let mut options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}; {USAGE}");
            return ExitCode::from(2);
        }
    };
    options.cuts = enter();
    match thrash(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("FAILED with seed {}: {why}", options.seed);
            ExitCode::from(1)
        }
    }
}
