//! The limit of what comes from the container: a token bucket that drops, where the host receives. It is a
//! BPF program on the link's ingress: each kernel has it that has BPF at all, and it goes with the link.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

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
use crate::sys::bpf::{self, Instruction};

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
    let program = compile(rate, bucket.as_fd().as_raw_fd());
    bpf::load_traffic_program(&program)
        .context(|| "cannot load the BPF program that limits a link")
        .map_err(explain)
}

// Registers: what a call takes and answers, and what it leaves alone.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
const LENGTH: u8 = 7;
const NOW: u8 = 8;
const FRAME: u8 = 10;

// The instruction set (kernel: bpf/standardization), helpers and answers (linux/bpf.h, linux/pkt_cls.h).
const LD_IMM64: u8 = 0x18;
const LDX_W: u8 = 0x61;
const LDX_DW: u8 = 0x79;
const ST_W: u8 = 0x62;
const STX_DW: u8 = 0x7b;
const ADD_K: u8 = 0x07;
const ADD_X: u8 = 0x0f;
const MUL_K: u8 = 0x27;
const DIV_X: u8 = 0x3f;
const SUB_X: u8 = 0x1f;
const MOV_X: u8 = 0xbf;
const MOV_K: u8 = 0xb7;
const JEQ_K: u8 = 0x15;
const JGT_X: u8 = 0x2d;
const JGE_X: u8 = 0x3d;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const PSEUDO_MAP_FD: u8 = 1;
const MAP_LOOKUP_ELEM: i32 = 1;
const KTIME_GET_NS: i32 = 5;
/// Leaves the frame to other filters.
const TC_ACT_UNSPEC: i32 = -1;
const TC_ACT_SHOT: i32 = 2;

/// The program. The bucket, of which `bucket` is the map, holds when it is full enough for the next frame:
/// each that passes moves that by the time it takes at `rate`, and time that nothing used counts for no more
/// than a burst.
fn compile(rate: Rate, bucket: i32) -> Vec<Instruction> {
    let rate_bytes = rate.bytes();
    let burst = limit::burst(rate).saturating_mul(NANOSECONDS) / rate_bytes;
    let [bucket_low, bucket_high] = wide(R1, PSEUDO_MAP_FD, u64::from(bucket.unsigned_abs()));
    let [rate_low, rate_high] = wide(R3, 0, rate_bytes);
    let [burst_low, burst_high] = wide(R3, 0, burst);
    vec![
        // skb->len
        new(LDX_W, LENGTH, R1, 0, 0),
        new(CALL, 0, 0, 0, KTIME_GET_NS),
        new(MOV_X, NOW, R0, 0, 0),
        // The only element of the map.
        new(ST_W, FRAME, 0, -4, 0),
        new(MOV_X, R2, FRAME, 0, 0),
        new(ADD_K, R2, 0, 0, -4),
        bucket_low,
        bucket_high,
        new(CALL, 0, 0, 0, MAP_LOOKUP_ELEM),
        new(JEQ_K, R0, 0, 14, 0),
        new(LDX_DW, R1, R0, 0, 0),
        new(JGT_X, R1, NOW, 14, 0),
        // What was not used, up to a burst.
        burst_low,
        burst_high,
        new(MOV_X, R2, NOW, 0, 0),
        new(SUB_X, R2, R3, 0, 0),
        new(JGE_X, R1, R2, 1, 0),
        new(MOV_X, R1, R2, 0, 0),
        // The time this frame takes.
        new(MUL_K, LENGTH, 0, 0, 1_000_000_000),
        rate_low,
        rate_high,
        new(DIV_X, LENGTH, R3, 0, 0),
        new(ADD_X, R1, LENGTH, 0, 0),
        new(STX_DW, R0, R1, 0, 0),
        new(MOV_K, R0, 0, 0, TC_ACT_UNSPEC),
        new(EXIT, 0, 0, 0, 0),
        new(MOV_K, R0, 0, 0, TC_ACT_SHOT),
        new(EXIT, 0, 0, 0, 0),
    ]
}

const fn new(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: to | (from << 4), offset, immediate }
}

/// `to` = the 64 bits of `value`, or what they stand for.
#[expect(clippy::cast_possible_truncation, reason = "each half is 32 bits")]
const fn wide(to: u8, meaning: u8, value: u64) -> [Instruction; 2] {
    let halves = [(value as u32).cast_signed(), ((value >> 32) as u32).cast_signed()];
    [new(LD_IMM64, to, meaning, 0, halves[0]), new(0, 0, 0, 0, halves[1])]
}
