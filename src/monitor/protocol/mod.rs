//! The bytes of the command socket, LXC's control protocol, and its address.
//!
//! Everything is little-endian at fixed offsets, as C LXC lays its structs out on x86-64. A request
//! is 16 bytes and its data, a response is 16 bytes (with descriptors riding on them) and its data;
//! where there is no data, the last 8 bytes hold a number instead. [`payload`] is the data of those
//! commands that have a structure of their own.

mod address;
mod payload;

use nix::errno::Errno;

pub use address::socket_address;
pub use payload::{CgroupContext, CgroupFd, ConsoleLog, Event, MESSAGE_LEN, Message, StateRequest};

/// Length of a request's and of a response's fixed part.
pub const FRAME_LEN: usize = 16;
/// Most data a request may carry (two times `PATH_MAX`).
pub const DATA_MAX: usize = 8192;

/// What a client can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    /// Lease a tty; the number asked for, 0 the console, -1 any.
    GetTtyFd = 0,
    /// Unused since the terminal's size travels with its descriptor.
    TerminalWinch = 1,
    /// Kill init; the end of the stream is the answer.
    Stop = 2,
    /// The state's number.
    GetState = 3,
    /// The pid of init.
    GetInitPid = 4,
    /// The `CLONE_NEW*` bits of the container's own namespaces.
    GetCloneFlags = 5,
    /// The path of init's cgroup.
    GetCgroup = 6,
    /// A configuration value.
    GetConfigItem = 7,
    /// The container's name.
    GetName = 8,
    /// The directory of containers.
    GetLxcpath = 9,
    /// Wait for a state.
    AddStateClient = 10,
    /// Read or clear the console's ring buffer.
    ConsoleLog = 11,
    /// Set the state and tell those who wait.
    ServeStateClients = 12,
    /// Hand over a seccomp listener.
    AddSeccompListener = 13,
    /// Change the v2 device rules.
    AddBpfDevice = 14,
    /// Freeze (pure v2).
    Freeze = 15,
    /// Thaw (pure v2).
    Unfreeze = 16,
    /// Init's v2 cgroup (pure v2).
    GetCgroup2Fd = 17,
    /// A pidfd of init.
    GetInitPidfd = 18,
    /// The path of the limiting cgroup.
    GetLimitCgroup = 19,
    /// The limiting v2 cgroup (pure v2).
    GetLimitCgroup2Fd = 20,
    /// The root of the container's devpts.
    GetDevptsFd = 21,
    /// The seccomp listener.
    GetSeccompNotifyFd = 22,
    /// Init's cgroups, one descriptor for each hierarchy.
    GetCgroupContext = 23,
    /// The cgroup of a controller.
    GetCgroupFd = 24,
    /// The limiting cgroup of a controller.
    GetLimitCgroupFd = 25,
    /// The systemd scope the container runs in.
    GetSystemdScope = 26,
}

impl Command {
    /// Whether descriptors come with the answer.
    pub fn gives_descriptors(self) -> bool {
        matches!(
            self,
            Self::GetTtyFd
                | Self::GetCgroup2Fd
                | Self::GetInitPidfd
                | Self::GetLimitCgroup2Fd
                | Self::GetDevptsFd
                | Self::GetSeccompNotifyFd
                | Self::GetCgroupContext
                | Self::GetCgroupFd
                | Self::GetLimitCgroupFd
        )
    }
}

impl Command {
    const ALL: [Self; 27] = [
        Self::GetTtyFd,
        Self::TerminalWinch,
        Self::Stop,
        Self::GetState,
        Self::GetInitPid,
        Self::GetCloneFlags,
        Self::GetCgroup,
        Self::GetConfigItem,
        Self::GetName,
        Self::GetLxcpath,
        Self::AddStateClient,
        Self::ConsoleLog,
        Self::ServeStateClients,
        Self::AddSeccompListener,
        Self::AddBpfDevice,
        Self::Freeze,
        Self::Unfreeze,
        Self::GetCgroup2Fd,
        Self::GetInitPidfd,
        Self::GetLimitCgroup,
        Self::GetLimitCgroup2Fd,
        Self::GetDevptsFd,
        Self::GetSeccompNotifyFd,
        Self::GetCgroupContext,
        Self::GetCgroupFd,
        Self::GetLimitCgroupFd,
        Self::GetSystemdScope,
    ];
}

fn i32_at(bytes: &[u8], offset: usize) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// Both kinds of frames: two numbers and a word, which is the number where there is no data.
fn encode_frame(first: i32, datalen: i32, data: u64) -> [u8; FRAME_LEN] {
    let mut bytes = [0; FRAME_LEN];
    bytes[..4].copy_from_slice(&first.to_le_bytes());
    bytes[4..8].copy_from_slice(&datalen.to_le_bytes());
    bytes[8..].copy_from_slice(&data.to_le_bytes());
    bytes
}

fn decode_frame(bytes: &[u8]) -> Option<(i32, i32, u64)> {
    if bytes.len() != FRAME_LEN {
        return None;
    }
    Some((i32_at(bytes, 0)?, i32_at(bytes, 4)?, u64_at(bytes, 8)?))
}

fn low_number(data: u64) -> i32 {
    let [a, b, c, d, ..] = data.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// The fixed part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    command: u32,
    datalen: i32,
    data: u64,
}

impl Request {
    /// A request with `len` bytes of data after it.
    pub fn with_data(command: Command, len: usize) -> Self {
        let datalen = i32::try_from(len).unwrap_or(i32::MAX);
        Self { command: command as u32, datalen, data: 0 }
    }

    /// A request with a number instead of data.
    pub fn with_number(command: Command, number: i32) -> Self {
        Self { command: command as u32, datalen: 0, data: u64::from(number.cast_unsigned()) }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; FRAME_LEN] {
        encode_frame(self.command.cast_signed(), self.datalen, self.data)
    }

    /// A request from its bytes, of which there must be exactly 16.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (command, datalen, data) = decode_frame(bytes)?;
        Some(Self { command: command.cast_unsigned(), datalen, data })
    }

    /// What is asked; `None` for a command this version does not know.
    pub fn command(&self) -> Option<Command> {
        Command::ALL.get(usize::try_from(self.command).ok()?).copied()
    }

    /// Number of data bytes that follow; `None` if it is not a length.
    pub fn data_len(&self) -> Option<usize> {
        usize::try_from(self.datalen).ok()
    }

    /// The number in place of data: the low 32 bits count.
    pub fn number(&self) -> i32 {
        low_number(self.data)
    }
}

/// The fixed part of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// 0 or a negative errno.
    pub ret: i32,
    datalen: i32,
    data: u64,
}

impl Response {
    /// Success with a number.
    pub fn number(number: i32) -> Self {
        Self { ret: 0, datalen: 0, data: u64::from(number.cast_unsigned()) }
    }

    /// Success with `len` bytes of data.
    pub fn data(len: usize) -> Self {
        Self { ret: 0, datalen: i32::try_from(len).unwrap_or(i32::MAX), data: 0 }
    }

    /// A failure.
    pub fn error(errno: Errno) -> Self {
        Self::number_error(-(errno as i32))
    }

    /// A failure with a number that is not an errno.
    pub fn number_error(ret: i32) -> Self {
        Self { ret, datalen: 0, data: 0 }
    }

    /// `number` both as the return value and as the number.
    pub fn both(number: i32) -> Self {
        Self { ret: number, datalen: 0, data: u64::from(number.cast_unsigned()) }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; FRAME_LEN] {
        encode_frame(self.ret, self.datalen, self.data)
    }

    /// A response from its bytes, of which there must be exactly 16.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (ret, datalen, data) = decode_frame(bytes)?;
        Some(Self { ret, datalen, data })
    }

    /// Number of data bytes that follow; `None` if it is not a length.
    pub fn data_len(&self) -> Option<usize> {
        usize::try_from(self.datalen).ok()
    }

    /// The number in place of data.
    pub fn value(&self) -> i32 {
        low_number(self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_as_c_lxc_sends_them() {
        let request = Request::with_number(Command::GetTtyFd, -1);
        assert_eq!(request.encode()[8..12], [0xff; 4]);
        let decoded = Request::decode(&request.encode()).unwrap();
        assert_eq!((decoded.command(), decoded.number()), (Some(Command::GetTtyFd), -1));
        let unknown = [27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Request::decode(&unknown).unwrap().command(), None);
        assert_eq!(Response::error(Errno::EPERM).encode()[..4], (-1i32).to_le_bytes());
        assert_eq!(Request::decode(&[0; 15]), None);
    }
}
