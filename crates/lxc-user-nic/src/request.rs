//! What a caller can ask for.

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::arguments::{Bridge, Create, Delete};
use crate::caller::Caller;
use crate::failure::{Context, Failure, Result};
use crate::link::{self, Made};
use crate::namespace::Namespace;
use crate::netlink::Netlink;
use crate::policy::{self, Share};
use crate::process;
use crate::records::{self, Record, Records};

/// How long the kernel may take to delete the links of a network namespace that has ended.
const GONE_WITHIN: Duration = Duration::from_millis(500);
const NAP: Duration = Duration::from_millis(10);

/// Makes a link and prints `INTERFACE:INDEX:LINK:INDEX`: its name and number inside and here.
pub fn create(request: &Create) -> Result<()> {
    let (caller, namespace) = enter(|caller| Namespace::of(request.pid, caller))?;
    let shares = policy::shares(&caller, &request.bridge)?;
    let mut netlink = Netlink::open()?;
    let made = make(&mut netlink, request, &caller, &namespace, &shares)?;
    // The lock is given back: a caller who does not read must not keep others waiting.
    let ((host, host_index), (inside, index)) = (&made.host, &made.inside);
    let mut output = std::io::stdout();
    let printed = writeln!(output, "{inside}:{index}:{host}:{host_index}");
    printed.and_then(|()| output.flush()).context(|| "cannot print the link".to_owned()).map_err(
        |failure| {
            // Nobody knows it then.
            let deleted = Records::open().and_then(|mut records| {
                link::delete(&mut netlink, host, &request.bridge)?;
                records.forget(host)
            });
            match deleted {
                Ok(()) => failure,
                Err(error) => failure.hint(format!("the link {host} is left: {error}")),
            }
        },
    )
}

/// Deletes a link that this caller had made.
pub fn delete(request: &Delete) -> Result<()> {
    let Delete { namespace, bridge, link } = request;
    let (caller, _namespace) = enter(|caller| Namespace::open(namespace, caller))?;
    let mut records = Records::open()?;
    let is_own = |record: &Record| {
        record.link == *link && record.is_on(bridge) && belongs_to(record, &caller)
    };
    if !records.iter().any(is_own) {
        let what = format!("{caller} has no link {link} on {}", bridge.as_str());
        return Err(Failure::new(what).hint(format!("see, as root, {}", records::PATH)));
    }
    link::delete(&mut Netlink::open()?, link, bridge)?;
    records.forget(link)
}

/// What the caller names is opened with the caller's rights; then those of root are given up that links
/// do not need.
fn enter(open: impl FnOnce(&Caller) -> Result<Namespace>) -> Result<(Caller, Namespace)> {
    let caller = Caller::new()?;
    process::become_root()?;
    let namespace = open(&caller)?;
    process::keep_network_rights()?;
    Ok((caller, namespace))
}

/// Whether `record` is of a link that `caller` had made. Those that count for a group tell it by their
/// name.
fn belongs_to(record: &Record, caller: &Caller) -> bool {
    caller.is(record.owner()) && record.link.as_str().starts_with(&caller.link_prefix())
}

fn make(
    netlink: &mut Netlink,
    request: &Create,
    caller: &Caller,
    namespace: &Namespace,
    shares: &[Share],
) -> Result<Made> {
    let bridge = link::bridge(netlink, &request.bridge)?;
    let (mut records, share) = find_share(netlink, caller, shares, &request.bridge)?;
    let host = link::free_name(netlink, caller)?;
    records.add(Record::new(&share.owner, &request.bridge, &host))?;
    let interface = request.interface.as_ref();
    let made = link::create(netlink, &host, bridge.as_ref(), namespace, interface);
    made.map_err(|failure| {
        let left = netlink.find(host.as_str()).is_ok_and(|link| link.is_some());
        match if left { Ok(()) } else { records.forget(&host) } {
            Ok(()) => failure,
            Err(error) => failure.hint(error.to_string()),
        }
    })
}

/// The records, and the first share with room for one more. Where there is none, links of containers that have
/// just been killed may be about to go.
fn find_share<'a>(
    netlink: &mut Netlink,
    caller: &Caller,
    shares: &'a [Share],
    bridge: &Bridge,
) -> Result<(Records, &'a Share)> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let mut records = Records::open()?;
        // Links that are gone count no more: with their container, or by root's hand.
        records.retain(|record| {
            let counts = shares.iter().any(|share| share.owner == record.owner());
            Ok(!counts || netlink.find(record.link.as_str())?.is_some())
        })?;
        match free_share(&records, shares, bridge) {
            Some(share) => return Ok((records, share)),
            None if Instant::now() < deadline => {}
            None => return Err(quota_reached(&records, caller, shares, bridge)),
        }
        // Others may have the lock meanwhile.
        drop(records);
        sleep(NAP);
    }
}

fn used(records: &Records, share: &Share, bridge: &Bridge) -> usize {
    records.iter().filter(|record| record.owner() == share.owner && record.is_on(bridge)).count()
}

/// The first share with room for one more.
fn free_share<'a>(records: &Records, shares: &'a [Share], bridge: &Bridge) -> Option<&'a Share> {
    shares.iter().find(|share| used(records, share, bridge) < share.allowed)
}

fn quota_reached(records: &Records, caller: &Caller, shares: &[Share], bridge: &Bridge) -> Failure {
    let shares: Vec<String> = shares
        .iter()
        .map(|share| {
            let owner = String::from_utf8_lossy(&share.owner);
            format!("{owner} has {} of {}", used(records, share, bridge), share.allowed)
        })
        .collect();
    let what =
        format!("{caller} can have no more links on {}: {}", bridge.as_str(), shares.join(", "));
    Failure::new(what)
        .hint(format!("stop a container, or as root raise the number in {}", policy::PATH))
}
