//! The limit of what comes from the container: a token bucket that drops, where the host receives. It is a
//! BPF program on the link's ingress: each kernel has it that has BPF at all, and it goes with the link.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};
use nix::errno::Errno;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use super::super::netlink::Netlink;
use super::limit;
use crate::config::Rate;
use crate::error::{Context, Error, Result};
use crate::sys::bpf;
use crate::sys::bpf::instruction::{
    ADD_K, ADD_X, DIV_X, FRAME, Instruction, JEQ_K, JGE_X, JGT_X, KTIME_GET_NS, LDX_DW, LDX_W,
    MAP_LOOKUP_ELEM, MOV_K, MOV_X, MUL_K, R0, R1, R2, R3, R7, R8, Register, ST_W, STX_DW, SUB_X,
    call, exit, load_map, load_number, with_number, with_register,
};

/// `TC_H_MAKE(TC_H_INGRESS, 0)` (linux/pkt_sched.h).
const INGRESS: TcHandle = TcHandle { major: 0xffff, minor: 0 };
/// `ETH_P_ALL` (linux/if_ether.h).
const ETH_P_ALL: u16 = 3;
/// The place among the filters of the link.
const PRIORITY: u32 = 1;
const NANOSECONDS: u64 = 1_000_000_000;

/// Drops what is received over link number `number` beyond `rate`.
pub(super) fn police(netlink: &Netlink, number: u32, rate: Rate) -> Result<()> {
    let program = load(rate)?;
    let mut queue = TcMessage::with_index(number.cast_signed());
    queue.header.parent = TcHandle::INGRESS;
    queue.header.handle = INGRESS;
    queue.attributes = vec![TcAttribute::Kind("ingress".to_owned())];
    let what = || "cannot limit what comes from the container".to_owned();
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    netlink
        .request(RouteNetlinkMessage::NewQueueDiscipline(queue), flags, what)
        .map_err(limit::explain)?;
    let mut filter = TcMessage::with_index(number.cast_signed());
    filter.header.parent = INGRESS;
    filter.header.info = PRIORITY << 16 | u32::from(ETH_P_ALL.to_be());
    filter.attributes = vec![
        TcAttribute::Kind("bpf".to_owned()),
        TcAttribute::Options(vec![
            TcOption::Bpf(TcFilterBpfOption::ProgFd(program.as_raw_fd().unsigned_abs())),
            TcOption::Bpf(TcFilterBpfOption::ProgName("lxc_limit".to_owned())),
            TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
        ]),
    ];
    netlink
        .request(RouteNetlinkMessage::NewTrafficFilter(filter), flags, what)
        .map_err(limit::explain)
}

fn load(rate: Rate) -> Result<OwnedFd> {
    let explain = |error: Error| match error.errno.map(Errno::from_raw) {
        Some(Errno::EPERM) => error.hint("it takes the host's root: a user namespace has no BPF"),
        Some(Errno::ENOSYS) => error.hint("the kernel lacks CONFIG_BPF_SYSCALL"),
        _ => error,
    };
    // Kept by the program, and that by the filter.
    let bucket = bpf::make_cell().context(|| "cannot make a BPF map").map_err(explain)?;
    let program = compile(rate, bucket.as_fd());
    bpf::load_traffic_program(&program)
        .context(|| "cannot load the BPF program that limits a link")
        .map_err(explain)
}

const LENGTH: Register = R7;
const NOW: Register = R8;
/// Leaves the frame to other filters.
const TC_ACT_UNSPEC: i32 = -1;
const TC_ACT_SHOT: i32 = 2;

/// The program. The bucket, of which `bucket` is the map, holds when it is full enough for the next frame:
/// each that passes moves that by the time it takes at `rate`, and time that nothing used counts for no more
/// than a burst.
fn compile(rate: Rate, bucket: BorrowedFd<'_>) -> Vec<Instruction> {
    let rate_bytes = rate.bytes();
    let burst = limit::burst(rate).saturating_mul(NANOSECONDS) / rate_bytes;
    let [bucket_low, bucket_high] = load_map(R1, bucket);
    let [rate_low, rate_high] = load_number(R3, rate_bytes);
    let [burst_low, burst_high] = load_number(R3, burst);
    vec![
        // skb->len
        with_register(LDX_W, LENGTH, R1, 0),
        call(KTIME_GET_NS),
        with_register(MOV_X, NOW, R0, 0),
        // The only element of the map.
        with_number(ST_W, FRAME, -4, 0),
        with_register(MOV_X, R2, FRAME, 0),
        with_number(ADD_K, R2, 0, -4),
        bucket_low,
        bucket_high,
        call(MAP_LOOKUP_ELEM),
        with_number(JEQ_K, R0, 14, 0),
        with_register(LDX_DW, R1, R0, 0),
        with_register(JGT_X, R1, NOW, 14),
        // What was not used, up to a burst.
        burst_low,
        burst_high,
        with_register(MOV_X, R2, NOW, 0),
        with_register(SUB_X, R2, R3, 0),
        with_register(JGE_X, R1, R2, 1),
        with_register(MOV_X, R1, R2, 0),
        // The time this frame takes.
        with_number(MUL_K, LENGTH, 0, 1_000_000_000),
        rate_low,
        rate_high,
        with_register(DIV_X, LENGTH, R3, 0),
        with_register(ADD_X, R1, LENGTH, 0),
        with_register(STX_DW, R0, R1, 0),
        with_number(MOV_K, R0, 0, TC_ACT_UNSPEC),
        exit(),
        with_number(MOV_K, R0, 0, TC_ACT_SHOT),
        exit(),
    ]
}
