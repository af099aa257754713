//! What each command does. The answers that need nothing but the request and the container are in
//! [`ask`](super::ask).

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::ask::Ask;
use super::connection::{Reply, Role};
use super::{After, Server};
use crate::monitor::protocol::{Command, ConsoleLog, Response, StateRequest};
use crate::state::State;

type Answer<'a> = (Option<Reply<'a>>, After);

impl Server {
    /// What the client is answered, if anything, and what becomes of its connection.
    pub(super) fn command<'a>(&mut self, ask: &Ask<'a>) -> Answer<'a> {
        let Some(command) = ask.request.command() else {
            return (Some(Reply::error(Errno::ENOSYS)), After::Close);
        };
        let plan = ask.served.plan;
        let reply = match command {
            Command::GetTtyFd => return self.lease_tty(ask),
            Command::Stop => return self.stop(ask),
            Command::AddStateClient => return self.add_state_client(ask),
            Command::TerminalWinch => return (None, After::Close),
            Command::GetCgroup | Command::GetLimitCgroup => {
                let path = ask.cgroup_path(command == Command::GetCgroup);
                let Some(path) = path else { return (None, After::Close) };
                Reply::text(path.as_os_str().as_bytes())
            }
            Command::GetState => Reply::number(self.state.number()),
            Command::GetInitPid => ask.init_pid(),
            Command::GetCloneFlags => {
                let flags = u32::try_from(plan.namespaces.flags()).unwrap_or_default();
                Reply::number(flags.cast_signed())
            }
            Command::GetConfigItem => ask.config_item(),
            Command::GetName => Reply::text(plan.identity.name.as_str().as_bytes()),
            Command::GetLxcpath => Reply::text(plan.identity.lxcpath.as_os_str().as_bytes()),
            Command::ConsoleLog => self.console_log(ask),
            Command::ServeStateClients => self.serve_state_clients(ask),
            Command::Freeze | Command::Unfreeze => ask.freeze(command == Command::Freeze),
            Command::GetCgroup2Fd => ask.cgroup2_fd(false),
            Command::GetLimitCgroup2Fd => ask.cgroup2_fd(true),
            Command::GetInitPidfd => ask.init_pidfd(),
            Command::GetDevptsFd => ask.devpts_fd(),
            Command::GetCgroupContext => ask.cgroup_context(),
            // The numbers of these two are swapped in LXC as well; what they say is the directory
            // of the limits for the first.
            Command::GetCgroupFd => ask.cgroup_fd(true),
            Command::GetLimitCgroupFd => ask.cgroup_fd(false),
            Command::AddBpfDevice => ask.add_device_rule(),
            // Whoever may have its listener taken is not answered here.
            Command::AddSeccompListener => Reply::error(Errno::EPERM),
            Command::GetSeccompNotifyFd => self.seccomp_listener(),
            Command::GetSystemdScope => ask.systemd_unit(),
        };
        (Some(reply), After::Close)
    }

    /// A copy, which is closed when it was sent.
    fn seccomp_listener<'a>(&self) -> Reply<'a> {
        let copy = self.notifier.oldest().and_then(|fd| fd.try_clone_to_owned().ok());
        match copy {
            Some(copy) => Reply { given: Some(copy), ..Reply::number(0) },
            None => Reply::error(Errno::EBADF),
        }
    }

    fn lease_tty<'a>(&mut self, ask: &Ask<'a>) -> Answer<'a> {
        let refused = (Some(Reply::error(Errno::EBADF)), After::Close);
        let wanted = ask.request.number();
        if wanted == 0 {
            let Some(Ok(ptx)) = self.console.as_mut().map(super::Console::attach_peer) else {
                return refused;
            };
            self.with_console(|_| {});
            let reply = Reply { given: Some(ptx), ..Reply::number(0) };
            return (Some(reply), After::Keep(Role::Lease(0)));
        }
        let Some(running) = ask.served.running else { return refused };
        let is_free = |number: u32| !self.connections.leases(number);
        let last = u32::try_from(running.terminals.ttys.len()).unwrap_or(u32::MAX);
        let number = match u32::try_from(wanted) {
            Ok(number) => Some(number).filter(|number| *number <= last && is_free(*number)),
            Err(_) => (1..=last).find(|number| is_free(*number)),
        };
        let tty = number
            .and_then(|number| Some((number, running.terminals.ttys.get(number as usize - 1)?)));
        let Some((number, tty)) = tty else { return refused };
        let reply = Reply::fd(number.cast_signed(), tty.ptx.as_fd());
        (Some(reply), After::Keep(Role::Lease(number)))
    }

    /// Without an answer: the end of the stream says that the container has stopped.
    fn stop<'a>(&mut self, ask: &Ask<'a>) -> Answer<'a> {
        let Some(running) = ask.served.running else {
            // It is being started, and will not be; or it is at its end anyway.
            self.stop_wanted = true;
            return (None, After::Keep(Role::Stopping));
        };
        match ask.kill_init(running) {
            Ok(signal) => {
                self.killed |= signal == libc::SIGKILL;
                (None, After::Keep(Role::Stopping))
            }
            Err(errno) => (Some(Reply::error(errno)), After::Close),
        }
    }

    fn add_state_client<'a>(&mut self, ask: &Ask<'a>) -> Answer<'a> {
        let Some(wanted) = StateRequest::decode(ask.data) else {
            return (Some(Reply::error(Errno::EINVAL)), After::Close);
        };
        // The answer is "no" also as the return value: both are the state's number, or that of no
        // state for "wait".
        if wanted.wants_now(self.state) {
            return (Some(Reply::of(Response::both(self.state.number()))), After::Close);
        }
        let wait = Reply::of(Response::both(StateRequest::WAIT));
        (Some(wait), After::Keep(Role::Waiting(wanted)))
    }

    fn serve_state_clients<'a>(&mut self, ask: &Ask<'a>) -> Reply<'a> {
        if self.killed {
            // A freeze after SIGKILL would keep init from dying.
            ask.thaw();
        }
        // Before init runs and while the container ends, only the monitor decides on the state.
        let state = ask.served.running.and_then(|_| State::from_number(ask.request.number()));
        if let Some(state) = state {
            self.publish(&ask.served.plan.identity.name, state);
            if state == State::Thawed {
                // THAWED is an event; the state is RUNNING.
                self.state = State::Running;
            }
        }
        Reply::number(0)
    }

    fn console_log<'a>(&mut self, ask: &Ask<'a>) -> Reply<'a> {
        let Some(request) = ConsoleLog::decode(ask.data) else {
            return Reply::error(Errno::EINVAL);
        };
        match self.console.as_mut().and_then(|console| console.ring.as_mut()) {
            None => Reply::error(Errno::EFAULT),
            Some(ring) => {
                ring.answer(&request).map_or_else(|| Reply::error(Errno::ENODATA), Reply::data)
            }
        }
    }
}
