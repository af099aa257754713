//! Forwards of ordinary users, who may not change the host's packet filter: a process that takes connections at
//! ports of the host and makes one inside the container for each.
//!
//! It enters the container's user and network namespace, without capabilities, and keeps the sockets of the
//! host that it listens on. Inside, a connection comes from the container's own address.

use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use caps::CapSet;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;

use super::listening;
use crate::config::{Forward, Namespace, Origin, Protocol};
use crate::error::{Context, Error, Result};
use crate::namespace::set;
use crate::sys::process;

/// So many connections at once, each with two threads; more are closed as they come.
const CONNECTIONS: usize = 512;
/// What is passed on at once, bytes.
const BUFFER: usize = 1 << 16;
/// A thread needs no more than its frames, bytes.
const STACK: usize = 1 << 17;
/// How long nothing is taken after a failure, such as no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Ports of the host that somebody listens on, each with the container's.
#[derive(Debug)]
pub struct Ports(Vec<(TcpListener, u16)>);

/// Listens on the ports of the host that `forwards` have, each with the line that asks for it.
pub fn listen<'a>(
    forwards: impl IntoIterator<Item = (Forward, Option<&'a Origin>)>,
) -> Result<Ports> {
    let mut ports = Ports(Vec::new());
    for (forward, origin) in forwards {
        ports.add(&forward).map_err(|error| error.at(origin))?;
    }
    Ok(ports)
}

/// Refuses what takes the packet filter.
pub(super) fn check(forward: &Forward) -> Result<()> {
    if forward.protocol == Protocol::Tcp {
        return Ok(());
    }
    Err(Error::new(format!("{forward}: an ordinary user's container gets TCP ports only"))
        .hint("ports of other protocols are forwarded to root's containers"))
}

impl Ports {
    fn add(&mut self, forward: &Forward) -> Result<()> {
        check(forward)?;
        for offset in 0..forward.count {
            let port = forward.port + offset;
            let listener = match forward.address {
                Some(address) => bind(address, port),
                None => bind(Ipv6Addr::UNSPECIFIED.into(), port).or_else(|error| {
                    let is_missing = error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32);
                    if is_missing { bind(Ipv4Addr::UNSPECIFIED.into(), port) } else { Err(error) }
                }),
            };
            let listener = match listener {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    let what = format!("somebody listens on tcp port {port} of the host");
                    return Err(Error::new(listening::on(forward)?.unwrap_or(what))
                        .hint(super::BUSY_HINT));
                }
                result => result
                    .context(|| format!("cannot listen on tcp port {port} of the host"))
                    .map_err(|error| match Errno::EACCES {
                        errno if error.is(errno) => error.hint(
                            "ports from net.ipv4.ip_unprivileged_port_start on are for ordinary users",
                        ),
                        _ => error,
                    })?,
            };
            self.0.push((listener, forward.to_port + offset));
        }
        Ok(())
    }

    /// What must stay open in a process that serves them.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().map(|(listener, _)| listener.as_fd()).collect()
    }

    /// Passes on what comes at these ports, until the process `end` has ended: its pidfd.
    pub fn serve(&self, end: BorrowedFd<'_>) -> Result<()> {
        let running = Arc::new(AtomicUsize::new(0));
        let fds = self.descriptors().into_iter().chain([end]);
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                result => result.context(|| "cannot wait for connections")?,
            };
            let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
            if fds.last().is_some_and(is_ready) {
                return Ok(());
            }
            for ((listener, port), _) in self.0.iter().zip(&fds).filter(|(_, fd)| is_ready(fd)) {
                if take(listener, *port, &running).is_err() {
                    thread::sleep(PAUSE);
                }
            }
        }
    }
}

fn bind(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddr::new(address, port))?;
    // A client may be gone again before it is taken.
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Enters the user and the network namespace of the process `init` for good, with no capability there. Returns
/// its pidfd.
pub fn enter(init: Pid) -> Result<OwnedFd> {
    let failed = || "cannot enter the container's network";
    let end = process::pidfd_open(init).context(failed)?;
    for kind in [Namespace::User, Namespace::Net] {
        let namespace = set::open(init, kind)?;
        if !set::is_ours(namespace.as_fd(), kind)? {
            process::setns(namespace.as_fd(), kind.flag()).context(failed)?;
        }
    }
    process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).context(failed)?;
    [CapSet::Ambient, CapSet::Effective, CapSet::Permitted, CapSet::Inheritable]
        .into_iter()
        .try_for_each(|set| caps::clear(None, set))
        .map_err(|_| Error::new("cannot drop the capabilities in the container's namespaces"))?;
    Ok(end)
}

/// Takes one connection, which goes on in threads of its own.
fn take(listener: &TcpListener, port: u16, running: &Arc<AtomicUsize>) -> io::Result<()> {
    let client = match listener.accept() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
        result => result?.0,
    };
    let place = Place(Arc::clone(running));
    if running.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
        return Ok(());
    }
    let pass = move || {
        let _place = place;
        // Who is not served sees the connection end.
        let _ = connect(port).and_then(|inside| pass_on(&client, &inside));
    };
    thread::Builder::new().stack_size(STACK).spawn(pass).map(drop)
}

/// One of the connections that there may be at once.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection to `port` inside: at an address of the container's, else at its loopback.
fn connect(port: u16) -> io::Result<TcpStream> {
    let found = getifaddrs()?.filter_map(|one| {
        let address = one.address?;
        let ipv4 = address.as_sockaddr_in().map(|one| IpAddr::V4(one.ip()));
        ipv4.or_else(|| address.as_sockaddr_in6().map(|one| IpAddr::V6(one.ip())))
    });
    let is_global = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let addresses = found.filter(is_global).chain(loopback);
    let addresses: Vec<SocketAddr> = addresses.map(|to| SocketAddr::new(to, port)).collect();
    TcpStream::connect(addresses.as_slice())
}

/// Passes on both ways, each until its end.
fn pass_on(client: &TcpStream, inside: &TcpStream) -> io::Result<()> {
    // A client that is gone without a word ends.
    setsockopt(client, sockopt::KeepAlive, &true)?;
    thread::scope(|scope| {
        let back = move || pass_on_one_way(inside, client);
        thread::Builder::new().stack_size(STACK).spawn_scoped(scope, back)?;
        pass_on_one_way(client, inside);
        Ok(())
    })
}

fn pass_on_one_way(from: &TcpStream, to: &TcpStream) {
    let passed = io::copy(&mut BufReader::with_capacity(BUFFER, from), &mut &*to);
    if passed.is_ok() {
        let _ = to.shutdown(Shutdown::Write);
    } else {
        // There is nobody left to hear the other direction, or to speak.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
