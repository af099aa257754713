//! The limit of what goes to the container: a token bucket that delays (tc-tbf(8)) where the host sends.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};
use nix::errno::Errno;
use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};

use super::super::netlink::Netlink;
use crate::config::Rate;
use crate::error::{Error, Result};

/// What may pass at once is what passes in this time, seconds^-1: longer than the kernel's timers need.
const BURSTS_PER_SECOND: u64 = 100;
/// But at least so much, bytes: the largest packet before it is cut into frames.
const LEAST_BURST: u64 = 65_536;
/// How much of a second's traffic may wait.
const WAITING_PER_SECOND: u64 = 10;

// linux/pkt_sched.h
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
/// Lengths are those of frames, so the kernel needs no table of what each costs.
const TC_LINKLAYER_ETHERNET: u8 = 1;

/// What may pass at once, bytes.
pub(super) fn burst(rate: Rate) -> u64 {
    (rate.bytes() / BURSTS_PER_SECOND).max(LEAST_BURST)
}

/// Limits what is sent over link number `number` to `rate`.
pub(super) fn shape(netlink: &Netlink, number: u32, rate: Rate) -> Result<()> {
    let mut message = TcMessage::with_index(number.cast_signed());
    message.header.parent = TcHandle::ROOT;
    message.attributes = vec![TcAttribute::Kind("tbf".to_owned()), options(rate)];
    let request = RouteNetlinkMessage::NewQueueDiscipline(message);
    let what = || "cannot limit what goes to the container".to_owned();
    netlink.request(request, NLM_F_CREATE | NLM_F_EXCL, what).map_err(explain)
}

/// An error by what the kernel lacks.
pub(super) fn explain(error: Error) -> Error {
    match error.errno.map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::EOPNOTSUPP) => error.hint(
            "the kernel lacks it: CONFIG_NET_SCH_TBF, CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF",
        ),
        _ => error,
    }
}

/// The attributes of `struct tc_tbf_qopt` and what its 32 bits do not hold.
fn options(rate: Rate) -> TcAttribute {
    let low = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let waiting = low(burst(rate) + rate.bytes() / WAITING_PER_SECOND);
    let mut parms = Vec::with_capacity(36);
    // rate: cell_log, linklayer, overhead, cell_align, mpu, bytes per second
    parms.extend([0, TC_LINKLAYER_ETHERNET, 0, 0, 0, 0, 0, 0]);
    parms.extend(low(rate.bytes()).to_ne_bytes());
    // peakrate: none
    parms.extend([0; 12]);
    // limit, buffer (which the burst below replaces), mtu
    parms.extend(waiting.to_ne_bytes());
    parms.extend([0; 8]);
    let one = |kind, bytes| TcOption::Other(DefaultNla::new(kind, bytes));
    TcAttribute::Options(vec![
        one(TCA_TBF_PARMS, parms),
        one(TCA_TBF_RATE64, rate.bytes().to_ne_bytes().to_vec()),
        one(TCA_TBF_BURST, low(burst(rate)).to_ne_bytes().to_vec()),
    ])
}
