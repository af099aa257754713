//! Running nft(8), the packet filter's program.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::error::{Context, Error, Result};
use crate::programs;

/// Does all that `commands` says, or nothing.
pub fn apply(commands: &str) -> Result<()> {
    let output = run(&["-f", "-"], commands)?;
    if output.status.success() { Ok(()) } else { Err(refused(&output, "nft refused the rules")) }
}

/// The table `name` of the family inet as JSON (libnftables-json(5)); `None` if there is none.
pub fn table(name: &str) -> Result<Option<String>> {
    let output = run(&["-j", "list", "table", "inet", name], "")?;
    if output.status.success() {
        return Ok(Some(crate::table::text(output.stdout)));
    }
    if String::from_utf8_lossy(&output.stderr).contains("No such file or directory") {
        return Ok(None);
    }
    Err(refused(&output, &format!("nft does not show the table inet {name}")))
}

/// All chains, without their rules, as JSON (libnftables-json(5)).
pub fn chains() -> Result<String> {
    let output = run(&["-j", "list", "chains"], "")?;
    if !output.status.success() {
        return Err(refused(&output, "nft does not list the chains"));
    }
    Ok(crate::table::text(output.stdout))
}

/// The chain of these names, those of its family and its table first, as JSON.
pub fn chain(names: &[&str]) -> Result<String> {
    let output = run(&[&["-j", "list", "chain"], names].concat(), "")?;
    if !output.status.success() {
        let what = format!("nft does not show the chain {}", names.join(" "));
        return Err(refused(&output, &what));
    }
    Ok(crate::table::text(output.stdout))
}

/// The names of the tables of `family`.
pub fn tables(family: &str) -> Result<Vec<String>> {
    let output = run(&["list", "tables", family], "")?;
    if !output.status.success() {
        return Err(refused(&output, "nft does not list the tables"));
    }
    // Lines are `table FAMILY NAME`.
    let text = crate::table::text(output.stdout);
    Ok(text.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect())
}

fn refused(output: &Output, what: &str) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    Error::new(what).note(said.lines().next().unwrap_or_default())
}

fn run(arguments: &[&str], input: &str) -> Result<Output> {
    let mut child = Command::new(programs::find("nft", "nftables")?)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| "cannot run nft")?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it reads no further, its exit status says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().context(|| "cannot wait for nft")
}
