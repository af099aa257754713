//! Console, ttys, `/dev`.

use super::super::key::{Key, Refusal};
use super::super::model::ConsolePath;
use super::super::value::{console_size, flag, number};
use super::{optional, path, scalar, show_flag, show_path, text};

pub(super) const KEYS: &[Key] = &[
    optional!(
        "lxc.console.path",
        console.path,
        console_path,
        show_console_path,
        "Terminal or file that shows the console, or none"
    ),
    optional!(
        "lxc.console.logfile",
        console.logfile,
        path,
        show_path,
        "File that the console's output is appended to"
    ),
    scalar!(
        "lxc.console.size",
        console.log_size,
        console_size,
        u64::to_string,
        "Bound of the console's log file"
    ),
    scalar!(
        "lxc.console.buffer.size",
        console.buffer_size,
        console_size,
        u64::to_string,
        "Size of the console's ring buffer"
    ),
    scalar!(
        "lxc.console.rotate",
        console.rotate,
        flag,
        show_flag,
        "Keep one older console log file"
    ),
    scalar!("lxc.tty.max", tty_max, number::<u32>, u32::to_string, "Number of ttys"),
    optional!(
        "lxc.tty.dir",
        tty_dir,
        text,
        String::clone,
        "Directory under /dev for console and ttys"
    ),
    scalar!("lxc.pty.max", pty_max, number::<u32>, u32::to_string, "Number of pseudo terminals"),
    Key {
        name: "lxc.autodev",
        help: "Fill /dev at the start",
        set: |config, field| {
            config.autodev = Some(flag(field.value)?);
            Ok(())
        },
        clear: |config, _| config.autodev = None,
        get: |config, _| Some(show_flag(&config.has_autodev())),
    },
    scalar!(
        "lxc.autodev.tmpfs.size",
        autodev_size,
        number::<u64>,
        u64::to_string,
        "Size of the tmpfs on /dev, bytes"
    ),
];

#[expect(clippy::unnecessary_wraps, reason = "one of the parsers that rows name")]
fn console_path(value: &str) -> Result<ConsolePath, Refusal> {
    Ok(match value {
        "none" => ConsolePath::None,
        path => ConsolePath::Path(path.into()),
    })
}

fn show_console_path(path: &ConsolePath) -> String {
    match path {
        ConsolePath::None => "none".into(),
        ConsolePath::Path(path) => path.display().to_string(),
    }
}
