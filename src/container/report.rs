//! What can be said of a container: state, pid, addresses, use, links, configuration.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use serde::Serialize;

use crate::cgroup::file;
use crate::cgroup::statistics::{FromMonitor, Hierarchies, Keep, Part, Sources, Statistics};
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::monitor::client::{Asked, Client, ask_all};
use crate::namespace::set;
use crate::network::{self, Interface};
use crate::state::State;

/// How many monitors are asked at once: each takes a descriptor.
const ASKED_AT_ONCE: usize = 500;

/// Links with higher numbers are not looked for: each number is a question to the monitor.
const LINK_NUMBERS: u32 = 256;

/// A link as its container sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkUse {
    /// Its name on the host.
    pub name: String,
    /// Bytes the container sent.
    pub sent: u64,
    /// Bytes the container received.
    pub received: u64,
}

/// The state of a container, and its monitor to ask further.
#[derive(Clone, Debug)]
pub struct Report {
    client: Client,
    /// The state.
    pub state: State,
    /// The pid of init, once it was asked for.
    pid: OnceCell<Option<Pid>>,
}

impl Report {
    /// Asks for the state of `identity`.
    pub fn of(identity: &Identity) -> Result<Self> {
        let client = Client::new(identity);
        let state = client.state()?;
        Ok(Self { client, state, pid: OnceCell::new() })
    }

    /// As [`of`](Self::of), for callers that want everything: the pid of init, and where statistics are read (the second
    /// value, for [`sources`](Self::sources)), are asked for together with the state.
    pub fn of_whole(identity: &Identity) -> Result<(Self, Result<Asked>)> {
        let client = Client::new(identity);
        let state = client.ask_state().map(Asked::wait_in_receiving);
        let pid = client.ask_init_pid();
        let cgroups = client.ask_cgroups();
        let state = client.take_state(state)?;
        let pid = OnceCell::from(pid.and_then(|asked| client.take_init_pid(asked)).ok());
        Ok((Self { client, state, pid }, cgroups))
    }

    /// As [`of`](Self::of) for each of `identities`: all are asked before the first answer is waited for.
    pub fn of_all(identities: &[Identity]) -> Vec<Result<Self>> {
        let mut reports = Vec::with_capacity(identities.len());
        for some in identities.chunks(ASKED_AT_ONCE) {
            let clients: Vec<Client> = some.iter().map(Client::new).collect();
            let asked = ask_all(&clients, Client::ask_state_now);
            reports.extend(clients.into_iter().zip(asked).map(|(client, asked)| {
                let state = client.take_state(asked)?;
                Ok(Self { client, state, pid: OnceCell::new() })
            }));
        }
        reports
    }

    /// The report of a container whose monitor is known to be there, without asking it for the state.
    pub fn of_active(identity: &Identity) -> Self {
        Self { client: Client::new(identity), state: State::Running, pid: OnceCell::new() }
    }

    /// The pid of init; `None` if it does not run.
    pub fn pid(&self) -> Option<Pid> {
        if self.state == State::Stopped {
            return None;
        }
        // It may have stopped since.
        *self.pid.get_or_init(|| self.client.init_pid().ok())
    }

    /// The value of `key` in the configuration that it was started with; empty if it has none.
    pub fn running_value(&self, key: &str) -> Result<String> {
        Ok(self.client.config_item(key)?.unwrap_or_default())
    }

    /// The interfaces in the container's network namespace.
    pub fn interfaces(&self) -> Result<Vec<Interface>> {
        self.of_network(network::interfaces)
    }

    /// The addresses in the container's network namespace that are valid beyond a link, IPv4 before IPv6.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        let mut all = self.of_network(network::global_addresses)?;
        all.sort_by_key(IpAddr::is_ipv6);
        Ok(all)
    }

    /// What `look` finds in the container's network namespace.
    fn of_network<T>(&self, look: impl Fn(BorrowedFd<'_>) -> Result<Vec<T>>) -> Result<Vec<T>> {
        let Some(pid) = self.pid() else { return Ok(Vec::new()) };
        let opened = set::open(pid, Namespace::Net);
        match opened.and_then(|namespace| look(namespace.as_fd())) {
            // A container that just stopped has none any more; an ordinary user may not look.
            Err(error) if error.is(Errno::ENOENT) || error.lacks_rights() => Ok(Vec::new()),
            result => result,
        }
    }

    /// What the kernel counts for the container; all unknown if it stopped meanwhile.
    pub fn statistics(&self, parts: &[Part]) -> Statistics {
        self.sources_once(self.client.ask_cgroups(), parts).read()
    }

    /// As [`sources`](Self::sources), for one container and one look.
    pub fn sources_once(&self, asked: Result<Asked>, parts: &[Part]) -> Sources {
        self.sources(asked, parts, &mut Hierarchies::default(), Keep::Directories)
    }

    /// Asks the monitor where statistics are read, for [`sources`](Self::sources); fails with `EAGAIN` if
    /// its socket has no room.
    pub fn ask_sources_now(&self) -> Result<Asked> {
        self.client.ask_cgroups_now()
    }

    /// What statistics are read from, held open for those who look again and again; empty if the monitor
    /// was not `asked` or does not answer.
    pub fn sources(
        &self,
        asked: Result<Asked>,
        parts: &[Part],
        hierarchies: &mut Hierarchies,
        keep: Keep,
    ) -> Sources {
        let dirs = asked.and_then(|asked| self.limit_cgroups(asked)).unwrap_or_else(|error| {
            log::warn!("{error}");
            Vec::new()
        });
        Sources::open(&FromMonitor::new(dirs, hierarchies), parts, keep)
    }

    /// Its limiting cgroup in every hierarchy, all in one answer of the monitor.
    fn limit_cgroups(&self, asked: Asked) -> Result<Vec<OwnedFd>> {
        let dirs = self.client.take_cgroups(asked)?;
        // These are init's cgroups: below the limiting ones where the configuration says so, which it can
        // only for a cgroup that it also names.
        let is_named = dirs.first().is_some_and(|dir| {
            let path = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd()));
            path.is_ok_and(|path| !path.to_string_lossy().contains("/lxc.payload."))
        });
        if !is_named {
            return Ok(dirs);
        }
        let inner = self.client.config_item("lxc.cgroup.dir.container.inner")?.unwrap_or_default();
        let depth = Path::new(inner.trim()).components().count();
        let up = "../".repeat(depth);
        let open = |dir: &OwnedFd| {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let failed = || "cannot open the limiting cgroup";
            let found = openat(dir, up.as_str(), flags, Mode::empty()).context(failed)?;
            // Above the root of the mount that the directory is on there is something else than a cgroup.
            if file::is_cgroup(found.as_fd()) { Ok(found) } else { Err(Error::new(failed())) }
        };
        if depth == 0 { Ok(dirs) } else { dirs.iter().map(open).collect() }
    }

    /// Its links with their traffic.
    pub fn links(&self) -> Vec<LinkUse> {
        let counters = network::counters(&self.link_names()).unwrap_or_default();
        counters.into_iter().map(LinkUse::of).collect()
    }

    /// The host's names of its links.
    pub fn link_names(&self) -> Vec<String> {
        let item = |key: &str| self.client.config_item(key).ok().flatten();
        let links = link_types(&self.client).unwrap_or_default().into_iter();
        let names = links.filter_map(|(index, kind)| match kind.as_str() {
            "veth" => item(&format!("lxc.net.{index}.veth.pair")),
            "none" | "empty" => None,
            _ => item(&format!("lxc.net.{index}.link")),
        });
        names.map(|name| name.trim().to_owned()).collect()
    }
}

impl LinkUse {
    /// What the host received over the link is what the container sent.
    pub(super) fn of((name, counters): (String, network::Counters)) -> Self {
        Self { name, sent: counters.received, received: counters.sent }
    }
}

/// The links of the running container that `client` asks: the N of `lxc.net.N` with the type of each.
pub(super) fn link_types(client: &Client) -> Result<Vec<(u32, String)>> {
    // Most containers have one link, with the number 0.
    let [all, first] = client.config_items(["lxc.net", "lxc.net.0.type"])?;
    let count = all.lines().count();
    let mut links = Vec::with_capacity(count);
    // Their numbers may have gaps, and nothing lists them.
    for index in 0..LINK_NUMBERS {
        if links.len() == count {
            break;
        }
        let kind = match index {
            0 => first.clone(),
            _ => client.config_item(&format!("lxc.net.{index}.type"))?.unwrap_or_default(),
        };
        if !kind.is_empty() {
            links.push((index, kind.trim().to_owned()));
        }
    }
    Ok(links)
}
