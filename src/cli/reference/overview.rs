//! The pages about the whole: lxc-rs(1) and lxc(7).

use super::page::Page;
use super::texts::section;
use crate::cli::TOOLS;

pub(super) fn pages() -> impl Iterator<Item = Page> {
    [program(), concepts()].into_iter()
}

fn program() -> Page {
    let mut page = Page::new("lxc-rs", 1, "system containers: all commands in one program");
    page.heading("SYNOPSIS").paragraphs(&["*lxc-rs* _COMMAND_ [_OPTION_]... [_ARGUMENT_]..."]);
    page.heading("DESCRIPTION").paragraphs(&[
        "All commands of lxc(7) are one program. *lxc-rs* _COMMAND_ does what the command *lxc-*_COMMAND_ \
         does, and each *lxc-* command is a link to it.",
    ]);
    commands(&mut page);
    page.heading("OPTIONS");
    page.item("*--version*", "Print the version of this program, and the LXC release whose interface it provides; the *lxc-** commands print the latter alone.");
    page.item("*--list*", "Print the commands, one a line.");
    page.item(
        "*--man* _DIR_",
        "Write the manual below _DIR_, as it belongs into */usr/share/man*.",
    );
    page.item(
        "*--completions* *bash*|*zsh*|*fish* _DIR_",
        "Write the scripts into _DIR_ by which a shell completes the commands, a file for each.",
    );
    page.heading("EXIT STATUS");
    page.item("*0*", "It was done.");
    page.item("*1*", "There is no such command, or it failed.");
    page.see_also(&[("lxc".to_owned(), 7), ("lxc.container.conf".to_owned(), 5)]);
    page
}

fn commands(page: &mut Page) {
    page.heading("COMMANDS");
    for tool in TOOLS {
        let term = format!("*lxc-{}*({})", tool.name, section(tool.name));
        page.item(&term, &format!("{}.", tool.about));
    }
    let about = format!("{}: *lxc-rs image*, a program of its own.", crate::cli::images::ABOUT);
    page.item("*lxc-rs-image*(1)", &about);
}

fn concepts() -> Page {
    let mut page = Page::new("lxc", 7, "system containers");
    page.heading("DESCRIPTION").paragraphs(&[
        "A container is a group of processes that the kernel shows a world of their own: their own \
         process numbers, host name, network, mounts and users (see namespaces(7)), with a bound on \
         what they may use (see cgroups(7)). These commands make such containers that hold a whole \
         system: a root filesystem with its own init, started, stopped and kept like a machine, but on \
         the host's kernel.",
    ]);
    page.heading("HOW IT GOES");
    page.verbatim(
        "lxc-create -n web -t debian   # makes it, from a template\n\
         lxc-start -n web              # starts it\n\
         lxc-ls -f                     # lists the containers\n\
         lxc-attach -n web             # a shell inside\n\
         lxc-stop -n web               # shuts it down\n\
         lxc-destroy -n web            # removes it",
    );
    page.heading("NOTIONS");
    page.item(
        "Container",
        "A name, and a directory of that name below the directory of containers (*/var/lib/lxc*, \
         another one with *-P*). The file *config* in it defines the container; see \
         lxc.container.conf(5).",
    );
    page.item(
        "Template",
        "A program that fills a new container's root filesystem and adds to its configuration.",
    );
    page.item(
        "Monitor",
        "The one process of the host that stays with a running container. There is no daemon: what is \
         running is asked of the monitors.",
    );
    page.item(
        "State",
        "STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN or THAWED. lxc-info(1) shows \
         it, lxc-wait(1) waits for one, lxc-monitor(1) watches them all.",
    );
    page.item(
        "Unprivileged container",
        "One in a user namespace (*lxc.idmap*): its root is an ordinary user to the host. This is what \
         keeps a host safe from what is inside; a container without it is as trustworthy as the \
         programs in it.",
    );
    page.heading("OPTIONS OF ALL COMMANDS");
    page.item(
        "*-n*, *--name* _NAME_",
        "The container. It may also be the first argument without an option.",
    );
    page.item("*-P*, *--lxcpath* _PATH_", "The directory of containers.");
    page.item("*-o*, *--logfile* _FILE_", "A file that gets the log, *none* for none.");
    page.item(
        "*-l*, *--logpriority* _LEVEL_",
        "What is logged: TRACE, DEBUG, INFO, NOTICE, WARN, ERROR, CRIT, ALERT or FATAL, and what is \
         worse. Without *-o* it goes to the container's own log file.",
    );
    page.item("*-q*, *--quiet*", "No messages on standard error.");
    page.item("*--rcfile* _FILE_", "A configuration instead of the container's own.");
    page.item("*--help*, *--usage*, *--version*", "What they say.");
    page.paragraphs(&[
        "Long options may be shortened. Options may stand after arguments, until *--*.",
    ]);
    commands(&mut page);
    page.heading("FILES");
    page.item("*/var/lib/lxc/*_NAME_*/config*", "A container's configuration.");
    page.item("*/etc/lxc/default.conf*", "What new containers begin with.");
    page.item("*/etc/lxc/lxc.conf*", "Configuration of the commands; see lxc.conf(5).");
    page.item(
        "*/usr/share/lxc/templates*, */usr/share/lxc/config*",
        "Templates, and configuration to include.",
    );
    page.item("*/var/log/lxc*", "Log files of containers in the default directory.");
    page.see_also(&[
        ("lxc.container.conf".to_owned(), 5),
        ("lxc.conf".to_owned(), 5),
        ("namespaces".to_owned(), 7),
        ("cgroups".to_owned(), 7),
        ("capabilities".to_owned(), 7),
    ]);
    page
}
