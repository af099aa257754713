//! `lxc-user-nic`: makes and deletes links of the containers of ordinary users, as far as
//! /etc/lxc/lxc-usernet allows (lxc-usernet(5)).
//!
//! It is set-user-ID root and whoever calls it is hostile. So it first makes itself independent of what
//! it inherits ([`process`]); opens what the caller names with the caller's rights ([`caller`]); checks
//! that the network namespace is one that the caller rules ([`namespace`]); keeps, from then on, nothing
//! of root but its user id and CAP_NET_ADMIN; and counts under a lock ([`records`]) that Debian's program
//! takes as well.
//!
//! Nothing is left whenever it is killed: a record is written before its link is made, so the kernel has
//! no link that is not counted; and one end of a link is in the container's namespace from its first
//! moment, with which it goes.
#![deny(unsafe_code)]

mod arguments;
mod caller;
mod failure;
mod link;
mod name;
mod namespace;
mod netlink;
mod policy;
mod process;
mod records;
mod request;
mod sys;

use std::io::Write;
use std::process::ExitCode;

use arguments::Command;
use failure::Result;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where nobody reads it nothing else can be done.
            let _ = writeln!(std::io::stderr(), "lxc-user-nic: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    process::sanitize()?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match Command::parse(&arguments)? {
        Command::Create(create) => request::create(&create),
        Command::Delete(delete) => request::delete(&delete),
    }
}
