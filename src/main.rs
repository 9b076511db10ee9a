//! The `onebit` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    onebit::cli::main()
}
