//! Containers that are started, run true(1) and are gone.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::{Finding, Verdict};
use crate::config::Document;
use crate::container::ids;
use crate::container::start::{Request, Started, start};
use crate::container::stop;
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::init::Mode;
use crate::worker::Worker;

const TOPIC: &str = "start";
/// Far longer than any start takes.
const WITHIN: Duration = Duration::from_secs(30);
/// What each has beside what it tries.
const NO_NETWORK: &str = "lxc.net.0.type = empty\n";
const LIMITS: &str = "lxc.cgroup2.memory.max = 256M\nlxc.cgroup2.pids.max = 100\n";

/// Starts a container of the caller's kind, with what containers are commonly given.
pub fn examine(identity: &Identity, default_config: &Path) -> Vec<Finding> {
    let is_root = geteuid().is_root();
    let own_ids = own_ids(&identity.lxcpath);
    // An ordinary user's container has id maps, or does not start at all.
    let maps = match &own_ids {
        Ok(maps) if !is_root => maps.clone(),
        _ => String::new(),
    };
    let mut trials = vec![
        ("a container", Verdict::Fails, Ok(format!("{maps}{NO_NETWORK}"))),
        (
            "with limits of memory and processes",
            Verdict::Limited,
            Ok(format!("{maps}{NO_NETWORK}{LIMITS}")),
        ),
    ];
    match own_ids {
        Err(error) if !is_root => {
            return vec![Finding::of_error(TOPIC, trials[0].0, Verdict::Fails, error)];
        }
        _ if !is_root => {}
        maps => {
            let text = maps.map(|maps| format!("{maps}{NO_NETWORK}"));
            trials.push(("with ids of its own", Verdict::Limited, text));
        }
    }
    let mut findings = Vec::new();
    for (what, verdict, text) in trials {
        let document = text.and_then(|text| Document::parse(text, "what lxc-rs doctor starts"));
        findings.push(finding(identity, what, verdict, document));
        if findings[0].verdict == Verdict::Fails {
            // The others would say the same.
            return findings;
        }
    }
    if default_config.exists() {
        let what = format!("with the lines of {}", default_config.display());
        let document = Document::load(default_config);
        findings.push(finding(identity, &what, Verdict::Fails, document));
    }
    findings
}

/// The lines that map ids which no container has.
fn own_ids(lxcpath: &Path) -> Result<String> {
    let given = ids::give(lxcpath)?;
    let lines = given.maps.iter().map(|map| format!("lxc.idmap = {map}\n"));
    Ok(lines.collect::<Vec<_>>().concat())
}

fn finding(
    identity: &Identity,
    what: &str,
    verdict: Verdict,
    document: Result<Document>,
) -> Finding {
    match document.and_then(|document| run(identity, document)) {
        Ok(time) => Finding::ok(TOPIC, what, format!("starts, {} ms", time.as_millis())),
        Err(error) => Finding::of_error(TOPIC, what, verdict, error),
    }
}

/// How long the start and the end of a container with this configuration took, over the host's own files.
fn run(identity: &Identity, document: Document) -> Result<Duration> {
    let request = Request {
        document: Some(document),
        command: vec!["/bin/true".into()],
        mode: Mode::Execute,
        daemon: false,
        ..Request::of(identity.clone())
    };
    let begin = Instant::now();
    let worker = Worker { within: Some(WITHIN), ..Worker::default() };
    let ended = worker.run(
        |_| Ok(()),
        || match start(&request)? {
            Started::Ended(ended) => Ok(ended.exit.shell_code()),
            Started::Background(_) => Ok(0),
        },
    );
    match ended {
        Ok(0) => Ok(begin.elapsed()),
        Ok(code) => Err(Error::new(format!("/bin/true inside ended with code {code}"))),
        Err(error) => {
            if error.kind == Kind::TimedOut {
                stop::kill(identity)?;
            }
            Err(error)
        }
    }
}
