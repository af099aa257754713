//! The DHCP and DNS server of the bridge (dnsmasq(8)).

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, User};

use super::holder;
use super::names::Names;
use super::settings::{Network, Settings};
use crate::channel::wait_readable;
use crate::error::{Context, Error, Result};
use crate::programs;
use crate::sys::{process, remove};

/// How long it may take to end.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The server with its pid file.
#[derive(Debug)]
pub struct Dnsmasq {
    pid_file: PathBuf,
}

impl Dnsmasq {
    /// The one that keeps its pid in `run_dir`.
    pub fn new(run_dir: &Path) -> Self {
        Self { pid_file: run_dir.join("dnsmasq.pid") }
    }

    /// Starts it; returns when it serves.
    pub fn start(&self, settings: &Settings, names: &Names) -> Result<()> {
        let output = programs::output(
            Command::new(programs::find("dnsmasq", "dnsmasq-base")?)
                .args(self.arguments(settings))
                .args(names.arguments())
                .stdin(Stdio::null()),
        )
        .context(|| "cannot run dnsmasq")?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let error = Error::new("dnsmasq does not start").note(said);
        Err(if said.contains("in use") { in_use(error, said, settings) } else { error })
    }

    fn arguments(&self, settings: &Settings) -> Vec<String> {
        let user = ["lxc-dnsmasq", "dnsmasq"]
            .into_iter()
            .find(|user| User::from_name(user).is_ok_and(|user| user.is_some()))
            .unwrap_or("nobody");
        // Without a file of the user's none is read, not even dnsmasq's own.
        let file =
            settings.dhcp_file.as_ref().map_or_else(String::new, |it| it.display().to_string());
        // It counts those of both families together.
        let families = if settings.ipv6.is_some() { 2 } else { 1 };
        let mut arguments = vec![
            format!("--conf-file={file}"),
            format!("--user={user}"),
            format!("--pid-file={}", self.pid_file.display()),
            format!("--interface={}", settings.bridge),
            format!("--listen-address={}", settings.ipv4.address),
            format!("--dhcp-range={}", settings.dhcp_range),
            format!("--dhcp-lease-max={}", settings.dhcp_max.saturating_mul(families)),
            format!("--dhcp-leasefile={}", settings.leases().display()),
        ];
        arguments.extend(
            [
                "--except-interface=lo",
                "--bind-interfaces",
                "--strict-order",
                "--dhcp-no-override",
                "--dhcp-authoritative",
            ]
            .map(str::to_owned),
        );
        if !settings.dhcp_ping {
            arguments.push("--no-ping".to_owned());
        }
        if let Some(domain) = &settings.domain {
            arguments.push(format!("--domain={domain}"));
            // Names below it are known here only.
            arguments.push(format!("--server=/{domain}/"));
        }
        if let Some(ipv6) = &settings.ipv6 {
            arguments.push(format!("--listen-address={}", ipv6.address));
            arguments.push(format!("--dhcp-range={}", range_of_6(ipv6)));
            // For those of prefixes without a mode of router advertisements.
            arguments.push("--enable-ra".to_owned());
        }
        arguments
    }

    /// Its pid; `None` if it does not run. A pid file that another process's number got into is no
    /// proof, so the process must be a dnsmasq that was told of this very file.
    pub fn pid(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(&self.pid_file).ok()?;
        let pid: i32 = text.trim().parse().ok()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let ours = format!("--pid-file={}", self.pid_file.display());
        let mut words = command.split(|byte| *byte == 0);
        words.any(|word| word == ours.as_bytes()).then(|| Pid::from_raw(pid))
    }

    /// Has it read its files of names anew, if it runs.
    pub fn reload(&self) -> Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let Ok(pidfd) = process::pidfd_open(pid) else { return Ok(()) };
        // Its number may have become another's meanwhile.
        if self.pid() != Some(pid) {
            return Ok(());
        }
        match process::pidfd_send_signal(std::os::fd::AsFd::as_fd(&pidfd), Signal::SIGHUP as i32) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result.context(|| format!("cannot tell dnsmasq, process {pid}")),
        }
    }

    /// Ends it.
    pub fn stop(&self) -> Result<()> {
        if let Some(pid) = self.pid()
            && let Ok(pidfd) = process::pidfd_open(pid)
        {
            let failed = || format!("cannot end dnsmasq, process {pid}");
            // It may just have ended.
            let _ = process::pidfd_send_signal(
                std::os::fd::AsFd::as_fd(&pidfd),
                Signal::SIGTERM as i32,
            );
            let deadline = std::time::Instant::now() + TIMEOUT;
            if wait_readable(&pidfd, Some(deadline)).is_err() {
                let signal = Signal::SIGKILL as i32;
                process::pidfd_send_signal(std::os::fd::AsFd::as_fd(&pidfd), signal)
                    .context(failed)?;
            }
        }
        remove::file(&self.pid_file)
    }
}

/// Addresses of `network` for DHCPv6, and what router advertisements say of it. A client may also make an address for
/// itself where there are 64 bits for it; the name that it has by IPv4 is then that of this one, too.
fn range_of_6(network: &Network<Ipv6Addr>) -> String {
    // dnsmasq serves networks of at most so many addresses.
    let prefix = network.prefix.max(64);
    let host_bits = 128 - u32::from(prefix.min(128));
    let base = network.address.to_bits() & u128::MAX.checked_shl(host_bits).unwrap_or(0);
    // The first ones are left for fixed addresses.
    let (first, last) = match host_bits {
        17.. => (0x1000, 0xffff),
        0 => (0, 0),
        bits => (1 << (bits - 1), (1 << bits) - 1),
    };
    let [first, last] = [first, last].map(|host| Ipv6Addr::from_bits(base | host));
    let mode = if prefix == 64 { "slaac,ra-names," } else { "" };
    format!("{first},{last},{mode}{prefix},1h")
}

/// `error` with who has the port, which dnsmasq `said` is in use.
fn in_use(error: Error, said: &str, settings: &Settings) -> Error {
    let (port, hint) = if said.contains("DHCP") {
        (67, "let the other DHCP server serve its own interface only, or end it")
    } else {
        (53, "another DNS server listens on all addresses: let it bind its own interfaces only")
    };
    let holders = holder::of(port, settings.ipv4.address.into());
    let error = holders
        .iter()
        .fold(error, |error, holder| error.note(format!("port {port} is held by {holder}")));
    error.hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ipv6_are_in_their_network() {
        let range = |address: &str, prefix| {
            let address = address.parse().unwrap();
            range_of_6(&Network { address, prefix, range: String::new() })
        };
        assert_eq!(range("fd00:3::1", 64), "fd00:3::1000,fd00:3::ffff,slaac,ra-names,64,1h");
        // The network of the bridge's address, of those that there are.
        assert_eq!(
            range("fd00:3:0:7::1", 48),
            "fd00:3:0:7::1000,fd00:3:0:7::ffff,slaac,ra-names,64,1h"
        );
        assert_eq!(range("fd00:3::1", 112), "fd00:3::8000,fd00:3::ffff,112,1h");
        assert_eq!(range("fd00:3::1", 120), "fd00:3::80,fd00:3::ff,120,1h");
        assert_eq!(range("fd00:3::1", 127), "fd00:3::1,fd00:3::1,127,1h");
    }
}
