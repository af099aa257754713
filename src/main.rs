//! One program for all tools: behaves as `lxc-start` when called so, and `lxc-rs start` is the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    lxc_rs::cli::main()
}
