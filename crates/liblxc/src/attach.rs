//! Running commands in a container.

use std::ffi::{CStr, OsString, c_char, c_int, c_long, c_void};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::ptr;

use libc::{gid_t, pid_t};
use lxc_rs::request::{Attach, Elevated, Environment, NamespaceSet, Personality};
use lxc_rs::{Container, Error, Left, Result};
use lxc_sys::forked;

use crate::entry::{beside, keep};
use crate::layout::{AttachCommand, AttachOptions, ExecFunction, List, LxcContainer};
use crate::strings::{path, required, text, texts, words};

/// `LXC_ATTACH_*`.
mod flag {
    pub const MOVE_TO_CGROUP: i32 = 0x1;
    pub const DROP_CAPABILITIES: i32 = 0x2;
    pub const SET_PERSONALITY: i32 = 0x4;
    pub const LSM_EXEC: i32 = 0x8;
    pub const REMOUNT_PROC_SYS: i32 = 0x1_0000;
    pub const LSM_NOW: i32 = 0x2_0000;
    pub const NO_NEW_PRIVS: i32 = 0x4_0000;
    pub const TERMINAL: i32 = 0x8_0000;
    pub const LSM_LABEL: i32 = 0x10_0000;
    pub const SETGROUPS: i32 = 0x20_0000;
}

/// `LXC_ATTACH_CLEAR_ENV`.
const CLEAR_ENV: u32 = 1;
/// A user or group that is not given.
const NO_ID: u32 = u32::MAX;
/// `LXC_ATTACH_DETECT_PERSONALITY`.
const DETECT_PERSONALITY: c_long = -1;
/// What a shell, and our helper, ends with if a command cannot be executed.
const NOT_EXECUTED: [i32; 2] = [126, 127];

/// # Safety
///
/// The header's rules. For `lxc_attach_run_command` the payload is an `lxc_attach_command_t`.
pub unsafe extern "C" fn attach(
    c: *mut LxcContainer,
    function: Option<ExecFunction>,
    payload: *mut c_void,
    options: *const AttachOptions,
    attached: *mut pid_t,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            if attached.is_null() {
                return Err(Error::new("there is no place for the pid"));
            }
            let function = function.ok_or_else(|| Error::new("there is no function"))?;
            let command = if is(function, lxc_attach_run_command, c"lxc_attach_run_command") {
                let AttachCommand { program, argv } = ptr::read(payload.cast());
                command_of(program, argv)?
            } else if is(function, lxc_attach_run_shell, c"lxc_attach_run_shell") {
                // The login shell.
                Some(Vec::new())
            } else {
                None
            };
            *attached = match command {
                Some(command) => begin(c, container, options, command)?,
                None => call(container, options, function, payload)?,
            };
            Ok(0)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn attach_run_wait(
    c: *mut LxcContainer,
    options: *const AttachOptions,
    program: *const c_char,
    argv: List,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            let pid = if let Some(command) = command_of(program, argv)? {
                begin(c, container, options, command)?
            } else {
                let mut command = AttachCommand { program, argv };
                let payload = (&raw mut command).cast();
                call(container, options, lxc_attach_run_command, payload)?
            };
            wait_for(pid)
        })
    }
}

/// Whether `function` is `ours`. In a program that is not position independent the address of a function of
/// this library is another one, which the dynamic linker knows.
fn is(function: ExecFunction, ours: ExecFunction, name: &CStr) -> bool {
    // SAFETY: dlsym reads the name, which ends in NUL.
    let linked = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    let address = function as *const c_void;
    address == ours as *const c_void || address == linked.cast_const()
}

/// The program, with what it is told; `None` for one that is told another name than its own, which only a
/// function can execute.
///
/// # Safety
///
/// The header's rules.
unsafe fn command_of(program: *const c_char, argv: List) -> Result<Option<Vec<OsString>>> {
    // SAFETY: as the caller promises.
    let (program, mut words) = unsafe { (required(program, "the program")?, words(argv)) };
    let base = |path: &Path| path.file_name().map(OsString::from);
    match words.first_mut() {
        None => words.push(program.into()),
        Some(first) if base(Path::new(first)) == base(Path::new(program)) => {
            *first = program.into();
        }
        Some(_) => return Ok(None),
    }
    Ok(Some(words))
}

/// Calls `function` in the container, in a child of this process with a copy of its memory; its pid.
///
/// # Safety
///
/// The header's rules; the function may be called with `payload` in a process that was forked.
unsafe fn call(
    container: &mut Container,
    options: *const AttachOptions,
    function: ExecFunction,
    payload: *mut c_void,
) -> Result<pid_t> {
    // SAFETY: as the caller promises.
    unsafe {
        let (request, standard) = request(container, options, Vec::new())?;
        let prepared = container.prepare_function(&request, standard)?;
        let forked = forked::fork(prepared.plan(), function, payload);
        container.follow_function(prepared, forked)
    }
}

/// Executes the command as a child of this process; its pid. A command that cannot be executed is a child
/// that ends like a shell's, with the reason in the container's error.
///
/// # Safety
///
/// The header's rules; not null.
unsafe fn begin(
    c: *mut LxcContainer,
    container: &mut Container,
    options: *const AttachOptions,
    command: Vec<OsString>,
) -> Result<pid_t> {
    // SAFETY: as the caller promises.
    let (request, standard) = unsafe { request(container, options, command)? };
    let Left { pid, failed, .. } = container.attach_child(&request, standard)?;
    match failed {
        None => Ok(pid),
        Some((error, code)) if NOT_EXECUTED.contains(&code) => {
            // SAFETY: as the caller promises.
            unsafe { keep(c, &error) };
            Ok(pid)
        }
        Some((error, _)) => {
            wait_for(pid)?;
            Err(error)
        }
    }
}

/// What `options` ask for, and the standard descriptors that are not the caller's own.
///
/// # Safety
///
/// The header's rules: descriptors are open.
unsafe fn request<'fd>(
    container: &Container,
    options: *const AttachOptions,
    command: Vec<OsString>,
) -> Result<(Attach, [Option<BorrowedFd<'fd>>; 3])> {
    let mut request = Attach { command, ..container.to_attach() };
    if options.is_null() {
        return Ok((request, [None; 3]));
    }
    // SAFETY: the caller's options live through this call. Only single members are read: those at the end may
    // not be there.
    unsafe {
        let flags = (*options).attach_flags;
        let has = |flag: i32| flags & flag != 0;
        request.terminal = has(flag::TERMINAL);
        request.elevated = Elevated {
            capabilities: !has(flag::DROP_CAPABILITIES),
            cgroup: !has(flag::MOVE_TO_CGROUP),
            lsm: !has(flag::LSM_EXEC | flag::LSM_NOW | flag::LSM_LABEL),
        };
        request.personality = personality((*options).personality, has(flag::SET_PERSONALITY))?;
        request.remount = has(flag::REMOUNT_PROC_SYS);
        request.no_new_privs = has(flag::NO_NEW_PRIVS);
        if let Ok(namespaces) = u32::try_from((*options).namespaces) {
            request.namespaces = Some(NamespaceSet::from_flags(namespaces.into()));
        }
        request.directory = path((*options).initial_cwd).map(PathBuf::from);
        request.uid = Some((*options).uid).filter(|uid| *uid != NO_ID);
        request.gid = Some((*options).gid).filter(|gid| *gid != NO_ID);
        if (*options).env_policy == CLEAR_ENV {
            request.environment = Environment::Clear(texts((*options).extra_keep_env)?);
        }
        request.set_variables = texts((*options).extra_env_vars)?;
        if has(flag::LSM_LABEL) {
            request.context = text((*options).lsm_label).map(str::to_owned);
        }
        if has(flag::SETGROUPS) {
            request.groups = Some(groups((*options).groups, (*options).groups_size));
        }
        Ok((request, standard((*options).standard)))
    }
}

/// Those of `descriptors` that are not the caller's own standard ones.
///
/// # Safety
///
/// They are open as long as they are used.
pub unsafe fn standard<'fd>(descriptors: [c_int; 3]) -> [Option<BorrowedFd<'fd>>; 3] {
    let [input, output, error] = descriptors;
    // SAFETY: as the caller promises.
    let given = |fd, own| (fd != own && fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) });
    [given(input, 0), given(output, 1), given(error, 2)]
}

/// # Safety
///
/// `list` is null or has `size` groups.
unsafe fn groups(list: *const gid_t, size: usize) -> Vec<gid_t> {
    if list.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(list, size) }.to_vec()
}

/// The personality that is asked for.
fn personality(number: c_long, is_set: bool) -> Result<Personality> {
    if !is_set {
        return Ok(Personality::OfCaller);
    }
    if number == DETECT_PERSONALITY {
        return Ok(Personality::OfContainer);
    }
    u32::try_from(number)
        .map(Personality::Number)
        .map_err(|_| Error::new(format!("{number:#x} is no personality")))
}

/// The status that the child `pid` ends with, as wait(2) has it.
fn wait_for(pid: pid_t) -> Result<c_int> {
    let mut status = 0;
    loop {
        // SAFETY: waitpid writes to `status` only.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } == pid {
            return Ok(status);
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(Error::new(format!("cannot wait for the command: {error}")));
        }
    }
}

/// Executes the command `payload` in this process, as a program that calls it itself wants; returns only if
/// that fails.
///
/// # Safety
///
/// `payload` is null or an `lxc_attach_command_t`.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_attach_run_command(payload: *mut c_void) -> c_int {
    if payload.is_null() {
        return -1;
    }
    // SAFETY: as the caller promises. A forked process of a program with threads may do this, too.
    unsafe {
        let command = payload.cast::<AttachCommand>();
        libc::execvp((*command).program, (*command).argv);
        if *libc::__errno_location() == libc::ENOENT { NOT_EXECUTED[1] } else { NOT_EXECUTED[0] }
    }
}

/// Executes the user's shell in this process, as a program that calls it itself wants; returns only if that
/// fails.
///
/// # Safety
///
/// None; the payload is not used.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_attach_run_shell(_payload: *mut c_void) -> c_int {
    // SAFETY: getpwuid's answer is used before the next call; both lists end in null.
    unsafe {
        let user = libc::getpwuid(libc::getuid());
        if !user.is_null() && !(*user).pw_shell.is_null() {
            libc::execv((*user).pw_shell, [(*user).pw_shell.cast_const(), ptr::null()].as_ptr());
        }
        let shell = c"/bin/sh".as_ptr();
        libc::execv(shell, [shell, ptr::null()].as_ptr());
    }
    -1
}
