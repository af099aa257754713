//! lxc-top: what all running containers use, on a terminal, as a stream for programs, or once for a
//! collector of metrics.

mod metrics;
mod screen;
mod stream;

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use clap::{Arg, Command, value_parser};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use super::{Invocation, NameRule, Tool, flag};
use crate::container::samples::Watch;
use crate::error::{Context, Error, Result};
use crate::exit::ExitCode;
use crate::sys::deadline::poll_timeout;
use crate::sys::{process, pty};
use crate::terminal::Raw;
use screen::{Order, View};

pub(super) const TOOL: Tool = Tool {
    name: "top",
    about: "Show what running containers use",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

/// Seconds between two looks, on a terminal and as a stream (lxc-top(1)).
const DELAY: u64 = 3;
const STREAM_DELAY: u64 = 300;

fn options(command: Command) -> Command {
    let number = |id: &'static str| Arg::new(id).long(id).value_parser(value_parser!(u64));
    command
        .arg(number("delay").short('d').value_name("SECONDS").help("Time between two looks"))
        .arg(flag("batch").short('b').help("Print lines of values separated by commas"))
        .arg(
            Arg::new("sort")
                .long("sort")
                .short('s')
                .value_name("KEY")
                .value_parser(["n", "c", "b", "m", "s", "k"])
                .help("Sort by name, CPU time, block io, memory, memory and swap, kernel memory"),
        )
        .arg(flag("reverse").short('r').help("The other way round"))
        .arg(number("count").value_name("N").help("End after N looks"))
        .arg(flag("metrics").help("Print all once, as OpenMetrics text"))
        .arg(super::output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let lxcpath = invocation.lxcpath()?;
    if invocation.flag("metrics") {
        let samples = Watch::once(&lxcpath, true).look()?;
        super::output::bytes(metrics::text(&samples).as_bytes());
        return Ok(ExitCode::SUCCESS);
    }
    let json = invocation.value("format") == Some("json");
    let number = |id: &str| invocation.matches.get_one::<u64>(id).copied();
    let is_stream = json || invocation.flag("batch");
    let delay = number("delay").unwrap_or(if is_stream { STREAM_DELAY } else { DELAY });
    let pace = Pace { delay: Duration::from_secs(delay), left: number("count") };
    if is_stream {
        let kind = if pace.left == Some(1) { Watch::once } else { Watch::new };
        stream::run(kind(&lxcpath, json), pace, json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let key = invocation.value("sort").and_then(|word| word.chars().next()).unwrap_or('n');
    let order = Order { key, reverse: invocation.flag("reverse") };
    interactive(Watch::new(&lxcpath, false), pace, order)?;
    Ok(ExitCode::SUCCESS)
}

/// When to look, and how often.
struct Pace {
    delay: Duration,
    left: Option<u64>,
}

impl Pace {
    /// Counts one look; whether there is another one.
    fn goes_on(&mut self) -> bool {
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.left != Some(0)
    }
}

fn interactive(mut watch: Watch, mut pace: Pace, mut order: Order) -> Result<()> {
    let (stdin, stdout) = (process::standard(0), process::standard(1));
    if !nix::unistd::isatty(stdin).unwrap_or(false) {
        return Err(Error::new("stdin is not a tty").hint("use --batch or --format json"));
    }
    let (resized, notify) = UnixStream::pair().context(|| "cannot make a pair of sockets")?;
    signal_hook::low_level::pipe::register(libc::SIGWINCH, notify)
        .context(|| "cannot notice changes of the window's size")?;
    let _raw = Raw::enter(stdin)?;
    let styled = nix::unistd::isatty(stdout).unwrap_or(false);
    loop {
        let samples = watch.look()?;
        let until = Instant::now() + pace.delay;
        loop {
            let rows = pty::window_size(stdout).map(|(rows, _)| usize::from(rows));
            let view = View { rows, styled };
            super::output::styled(view.draw(&samples, order).as_bytes());
            match wait(stdin, resized.as_fd(), until)? {
                Event::Time => break,
                Event::Key('q' | '\u{3}') | Event::End => return Ok(()),
                Event::Key(key) => _ = order.take(key),
                Event::Resized => {}
            }
        }
        if !pace.goes_on() {
            return Ok(());
        }
    }
}

/// What ends a wait.
enum Event {
    Key(char),
    Resized,
    Time,
    /// Standard input has ended.
    End,
}

fn wait(stdin: BorrowedFd<'_>, resized: BorrowedFd<'_>, until: Instant) -> Result<Event> {
    let mut fds = [PollFd::new(stdin, PollFlags::POLLIN), PollFd::new(resized, PollFlags::POLLIN)];
    match poll(&mut fds, poll_timeout(until)) {
        Ok(0) => return Ok(Event::Time),
        Ok(_) => {}
        // The signal's handler ran: what it wrote is read in the next round.
        Err(Errno::EINTR) => return Ok(Event::Resized),
        Err(errno) => return Err(Error::new("cannot wait for a key").errno(errno)),
    }
    let mut bytes = [0; 64];
    if fds[1].any().unwrap_or(false) {
        nix::unistd::read(resized, &mut bytes).context(|| "cannot read a signal")?;
        return Ok(Event::Resized);
    }
    match nix::unistd::read(stdin, &mut bytes[..1]) {
        Ok(1) => Ok(Event::Key(char::from(bytes[0]))),
        _ => Ok(Event::End),
    }
}
