//! Chooses nothing, calls `cli::main`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lxc_images::cli::main()
}
