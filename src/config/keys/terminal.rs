//! Console, ttys, `/dev`.

use super::super::key::{Form, Key, Refusal};
use super::super::model::ConsolePath;
use super::super::value::{console_size, flag, number};
use super::{optional, path, scalar, show_flag, show_path, switch, text};

pub(super) const KEYS: &[Key] = &[
    optional!(
        "lxc.console.path",
        console.path,
        console_path,
        show_console_path,
        "Terminal or file that shows the console; none for no console"
    )
    .form(Form::Other("PATH | none"))
    .example("/dev/tty9")
    .default("a new pseudo terminal"),
    optional!(
        "lxc.console.logfile",
        console.logfile,
        path,
        show_path,
        "File that the console's output is appended to"
    )
    .form(Form::Path),
    scalar!(
        "lxc.console.size",
        console.log_size,
        console_size,
        u64::to_string,
        "Bound of the console's log file, a power of two; 0 for none"
    )
    .form(Form::Size)
    .default("0")
    .since("3.0"),
    scalar!(
        "lxc.console.buffer.size",
        console.buffer_size,
        console_size,
        u64::to_string,
        "Size of the console's ring buffer, a power of two; 0 for none"
    )
    .form(Form::Size)
    .default("0")
    .since("3.0"),
    switch!("lxc.console.rotate", console.rotate, "Keep the console's older log as FILE.1")
        .since("3.0"),
    scalar!("lxc.tty.max", tty_max, number::<u32>, u32::to_string, "Number of ttys")
        .form(Form::Number)
        .default("0"),
    optional!(
        "lxc.tty.dir",
        tty_dir,
        text,
        String::clone,
        "Directory under /dev for console and ttys"
    )
    .form(Form::Other("NAME"))
    .example("lxc"),
    scalar!(
        "lxc.pty.max",
        pty_max,
        number::<u32>,
        u32::to_string,
        "Number of pseudo terminals of a devpts of its own; 0 for none"
    )
    .form(Form::Number)
    .default("0"),
    Key {
        name: "lxc.autodev",
        help: "Whether /dev is a new tmpfs with the usual nodes",
        set: |config, field| {
            config.autodev = Some(flag(field.value)?);
            Ok(())
        },
        clear: |config, _| config.autodev = None,
        get: |config, _| Some(show_flag(&config.has_autodev())),
        ..super::ROW
    }
    .form(Form::Flag)
    .default("1"),
    scalar!(
        "lxc.autodev.tmpfs.size",
        autodev_size,
        number::<u64>,
        u64::to_string,
        "Size of the tmpfs on /dev, bytes"
    )
    .form(Form::Number)
    .default("500000")
    .since("4.0"),
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
