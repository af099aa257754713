//! What the manual says of each command beside its options.
//!
//! In texts, `*x*` is bold and `_x_` is slanted.

/// A command's part of the manual.
pub(super) struct Text {
    /// The command after `lxc-`.
    tool: &'static str,
    /// What may stand after the options: a line for each way to call it.
    pub operands: &'static [&'static str],
    /// What it does, by paragraphs.
    pub description: &'static [&'static str],
    /// Exit codes and what each means.
    pub exit: &'static [(&'static str, &'static str)],
    /// What is to be shown, and the lines that show it.
    pub examples: &'static [(&'static str, &'static str)],
    /// Related commands.
    related: &'static [&'static str],
}

/// The section of the manual a command belongs to: 8 for what only the administrator of a host uses.
pub(super) fn section(tool: &str) -> u8 {
    if tool == "net" { 8 } else { 1 }
}

impl Text {
    /// Related pages with their sections.
    pub fn see_also(&self) -> Vec<(String, u8)> {
        let mut pages: Vec<(String, u8)> =
            self.related.iter().map(|tool| (format!("lxc-{tool}"), section(tool))).collect();
        pages.extend([("lxc".into(), 7), ("lxc.container.conf".into(), 5)]);
        pages
    }
}

/// The text of a command.
pub(super) fn find(tool: &str) -> Option<&'static Text> {
    TEXTS.iter().find(|text| text.tool == tool)
}

const SUCCESS: (&str, &str) = ("0", "It was done.");
const FAILURE: (&str, &str) = ("1", "It could not be done; standard error says why.");
const DONE: &[(&str, &str)] = &[SUCCESS, FAILURE];

const TEXTS: &[Text] = &[
    Text {
        tool: "attach",
        operands: &["[*-n*] _NAME_ [*--* _COMMAND_ [_ARGUMENT_]...]"],
        description: &[
            "Runs a command in a running container: in its namespaces and cgroups, with its \
             capabilities, seccomp filter and security label. Without a command, it is the login \
             shell of the container's user.",
            "If a standard descriptor is a terminal, the command gets a terminal of the container's \
             own; this terminal's size follows. Otherwise the command has the descriptors as they are, \
             so that pipes and redirections work.",
            "The command's directory is the container's *lxc.init.cwd*, or */*. It sees this \
             environment, with the container's *lxc.environment* on top of it; *--clear-env* takes the \
             former away.",
            "Options after the container's name are read as options of lxc-attach, so *--* belongs \
             before a command that has options of its own.",
        ],
        exit: &[
            (
                "0-255",
                "The command's own exit code; 128 and the signal's number if a signal ended it.",
            ),
            ("1", "The container does not run, or it could not be entered."),
            ("126", "The command is there, but cannot be executed."),
            ("127", "There is no such command inside."),
        ],
        examples: &[
            ("A shell:", "lxc-attach -n web"),
            (
                "A command with options, its output in a file of the host:",
                "lxc-attach web -- ls -l /etc >list",
            ),
        ],
        related: &["console", "execute"],
    },
    Text {
        tool: "autostart",
        operands: &[""],
        description: &[
            "Starts, shuts down, reboots or kills all containers that are meant to run by themselves: \
             those with *lxc.start.auto = 1*, in the order of *lxc.start.order*, the lowest first, with a \
             pause of *lxc.start.delay* seconds after each. Shutting down goes the other way round.",
            "Without *-g*, only containers without any *lxc.group* are taken; with it, the groups in \
             the given order, where an empty one (as in *onboot,*) means those without a group. *-a* \
             takes them all.",
        ],
        exit: &[
            ("0", "All went well, or there was nothing to do."),
            ("1", "Nothing that was tried succeeded."),
            ("2", "Some of it failed."),
        ],
        examples: &[("What would be started at boot:", "lxc-autostart -L -g onboot,")],
        related: &["start", "stop"],
    },
    Text {
        tool: "cgroup",
        operands: &["[*-n*] _NAME_ _FILE_ [_VALUE_]"],
        description: &[
            "Reads a file of a running container's cgroup, or writes a value to it: *memory.max*, \
             *cpu.max*, *pids.current* and so on, by the name the file has in the host's version of \
             cgroups. A change holds until the container stops; *lxc.cgroup2.** keys in its \
             configuration make it last.",
            "Device rules are values of *devices.allow* and *devices.deny*, with either version.",
        ],
        exit: DONE,
        examples: &[(
            "At most 512 MiB:",
            "lxc-cgroup -n web memory.max 512M\nlxc-cgroup -n web memory.max",
        )],
        related: &["info", "device"],
    },
    Text {
        tool: "checkconfig",
        operands: &[""],
        description: &[
            "Says which features of the kernel that containers use are there: namespaces, control \
             groups, network devices, checkpointing.",
        ],
        exit: &[("0", "It is printed."), ("1", "The kernel's configuration is not to be found.")],
        examples: &[],
        related: &["start"],
    },
    Text {
        tool: "checkpoint",
        operands: &["[*-n*] _NAME_ *-D* _DIR_"],
        description: &[
            "Writes the state of a running container's processes to files in _DIR_, and with *-r* \
             continues them from there. The work is criu's, which must be installed.",
        ],
        exit: DONE,
        examples: &[],
        related: &["freeze", "copy"],
    },
    Text {
        tool: "check",
        operands: &["_NAME_|_FILE_"],
        description: &[
            "Reads a configuration and reports every mistake in it at once, each with its file, line \
             and what to write instead; then says which parts of it this host cannot do. Nothing is started \
             or changed.",
        ],
        exit: &[
            ("0", "There is nothing to complain of."),
            ("1", "There are warnings."),
            ("2", "There are errors: the container would not start."),
        ],
        examples: &[],
        related: &["start", "update-config"],
    },
    Text {
        tool: "commit",
        operands: &["[*-n*] _NAME_ _IMAGE_[*:*_TAG_]"],
        description: &[
            "Makes an image of a container, which *lxc-rs image ls* shows, *lxc-rs image push* sends and \
             *lxc-create -t oci -- --url image:*_IMAGE_ takes. It is the image that the container was made from \
             with one layer more: the container's own, if its root filesystem is an overlay over the layers of \
             that image; else what is found to be different in it. A file whose size, owner, mode, attributes \
             and time of modification are those of the image is taken to have its content.",
            "What runs in the image, and how, is what the image that it is made from says; with *--whole* it is \
             what the container's *lxc.execute.cmd* or *lxc.init.cmd* and *lxc.environment* say.",
            "A container that runs is refused without *--allowrunning*.",
        ],
        exit: DONE,
        examples: &[
            (
                "An image with what was installed in a container, to the registry:",
                "lxc-rs commit web registry.example/team/web:2\nlxc-rs image push registry.example/team/web:2",
            ),
            (
                "An image of a container that was made from none:",
                "lxc-rs commit --whole old team/old",
            ),
        ],
        related: &["diff", "export"],
    },
    Text {
        tool: "config",
        operands: &["_ITEM_", "*-l*"],
        description: &[
            "Prints an item of the system configuration lxc.conf(5), such as *lxc.lxcpath*: what the \
             file says, or the default. *-l* lists the items there are.",
        ],
        exit: &[("0", "It is printed, also if it is not set."), ("1", "There is no such item.")],
        examples: &[("Where containers are:", "lxc-config lxc.lxcpath")],
        related: &["info"],
    },
    Text {
        tool: "console",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Connects this terminal with a terminal of the container, as if with a cable: usually \
             somebody logs in there. Ctrl-a and then q ends the connection; Ctrl-a twice passes one \
             Ctrl-a on. *-e* chooses another key.",
            "There are as many terminals as *lxc.tty.max* says; number 0 is the console, on which the \
             container's init and kernel-like messages appear.",
        ],
        exit: &[
            ("0", "The connection was ended by its user."),
            ("1", "The container does not run, or the terminal is taken or not there."),
        ],
        examples: &[("The console, left by Ctrl-b q:", "lxc-console -n web -t 0 -e ^b")],
        related: &["attach", "start"],
    },
    Text {
        tool: "copy",
        operands: &["[*-n*] _NAME_ *-N* _NEWNAME_ [*--* _ARGUMENT_...]", "[*-n*] _NAME_ *-e*"],
        description: &[
            "Makes a new container from one there is: a full copy, with *-s* a snapshot that shares \
             what does not change, with *-R* the same container under another name. The copy gets a \
             host name and network addresses of its own, unless *-K* and *-M* keep them.",
            "With *-e* it is started at once and vanishes when it stops.",
            "The copy has the ids of the container, if that has a user namespace: the two are one to \
             the kernel as far as users go. *--idmap auto* gives the copy ids of its own, as with \
             lxc-create(1), and its files with them.",
        ],
        exit: DONE,
        examples: &[("A copy to try something in:", "lxc-copy -n web -e")],
        related: &["create", "snapshot", "destroy"],
    },
    Text {
        tool: "cp",
        operands: &[
            "[*-a*] [*-L*] _NAME_*:*_PATH_ _PATH_",
            "[*-a*] [*-L*] _PATH_ _NAME_*:*_PATH_",
            "_NAME_*:*_PATH_ *-*",
            "[*-a*] *-* _NAME_*:*_DIRECTORY_",
        ],
        description: &[
            "Copies files and directories between the host and a container, or between two containers. It runs \
             no program of the container. In a running container the paths are those that it sees, with all \
             that is mounted in it; what the kernel shows, such as */proc*, is left out of a directory. The \
             files of a stopped one are those of its root filesystem, and it is not started meanwhile.",
            "If the target is a directory, the source is put into it under its own name, or its content if the \
             source ends in */.*. If there is no target, it is what the source becomes. A file takes the place \
             of another file or link when all of it has come; until then the old one is there. A directory that \
             is there takes what is new and stays as it is otherwise; nothing else takes its place. Below the \
             target no symbolic link is followed.",
            "*-* is standard input or output: an archive of tar, as input also compressed by gzip, xz or zstd, \
             which is unpacked into a directory that is there.",
            "What is copied into a container belongs to its root; what is copied out of it, to the caller. With \
             *-a* owners, ACLs, and into a container set-ID bits, file capabilities and devices are kept, by \
             the ids of the container's inside. Out of a container set-ID bits, file capabilities and devices \
             are never kept, but in an archive. Modes, times, links, holes and attributes of users always are.",
            "A path of the host whose first component has a colon is written with *./* before it.",
        ],
        exit: DONE,
        examples: &[
            ("A file, with another name:", "lxc-rs cp nginx.conf web:/etc/nginx/nginx.conf"),
            ("A directory, out of it:", "lxc-rs cp web:/var/log/nginx ."),
            ("An archive of it:", "lxc-rs cp web:/srv - | zstd >srv.tar.zst"),
        ],
        related: &["attach", "copy"],
    },
    Text {
        tool: "create",
        operands: &["[*-n*] _NAME_ *-t* _TEMPLATE_ [*--* _OPTION_...]"],
        description: &[
            "Makes a container: its directory, its configuration and, by a template, its root \
             filesystem. A template is a program; it is named by the part of its file name after \
             *lxc-* (in the templates' directory), or by its whole path. *none* makes a container \
             without a root filesystem.",
            "The configuration begins with that of *-f*, or else with the file \
             *lxc.default_config* of lxc.conf(5) names, */etc/lxc/default.conf*. The template adds to it.",
            "Options after *--* are the template's; *lxc-create -t* _TEMPLATE_ *-h* shows them. If \
             something fails, nothing is left of the container.",
            "*-B loop* makes an image in the container's directory with a file system of *--fstype* (ext4, xfs, \
             btrfs, ext3, ext2 or f2fs) and *--fssize* (a number and *B*, *K*, *M*, *G* or *T*, without a unit \
             mebibytes; 1G by default). *-B squashfs* and *-B erofs* make a compressed image of what \
             the template has made, and a layer over it for what the container writes.",
            "With *--idmap auto* the container has a user namespace with 65536 ids that nobody else has: \
             no other container of the same directory or of the system's, no process, no user. They are \
             of those that */etc/subuid* and */etc/subgid* give the caller; where root has none there, of \
             2000224256 to 2147352575. *lxc.idmap* lines in the configuration have them, in the place \
             of others, and *lxc.rootfs.options* gets *idmap=container* where the file system can. They \
             are free again when the container is destroyed.",
            "*--rootfs-size* limits how much of the disk the root filesystem may take, as *lxc.rootfs.size* in \
             the configuration does (lxc.container.conf(5)); the template is held to it as well.",
        ],
        exit: DONE,
        examples: &[
            (
                "A small one, whose root is an ordinary user of the host:",
                "lxc-create -n demo -t busybox --idmap auto",
            ),
            ("Debian:", "lxc-create -n web -t debian"),
        ],
        related: &["start", "destroy", "copy"],
    },
    Text {
        tool: "denials",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Shows what AppArmor, SELinux and seccomp denied to a container since its start, as the kernel's \
             log and */var/log/audit/audit.log* have it, on cgroup v2 also which devices its rules denied, \
             and which lines of its configuration, of its \
             seccomp profile or of the policy would allow it. What happened often is shown once, \
             with how often. Of a container that does not run it shows what its own AppArmor \
             profile denied.",
            "Only records of the kernel itself are read: what a program writes to */dev/kmsg* is not. \
             A record is of the container if it names the container's own profile, if its process \
             lives there, or if its user is one of the container's ids. Where the process is gone \
             and the record says nothing else, it may have been of another container, which is said.",
            "A line to add is a proposal: what was denied may have been an attack. The end of the report \
             says what the log cannot show: system calls refused by *errno*, capabilities, devices on cgroup v1, \
             read-only mounts, and records that were lost.",
            "It needs root, unless *kernel.dmesg_restrict* is 0.",
        ],
        exit: &[
            ("0", "The log was read, whether it has denials or not."),
            (
                "1",
                "There is no such container, or the log cannot be read; standard error says why.",
            ),
        ],
        examples: &[
            ("What a container was denied:", "lxc-rs denials web"),
            (
                "The lines that would allow it, for a script:",
                "lxc-rs denials web --format json | jq -r '.denials[].allow[].text'",
            ),
        ],
        related: &["check", "info"],
    },
    Text {
        tool: "destroy",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Removes a container with its root filesystem and configuration. One that runs is refused, \
             unless *-f* kills it first. A root filesystem with *lxc.rootfs.managed = 0* stays.",
        ],
        exit: DONE,
        examples: &[],
        related: &["create", "stop"],
    },
    Text {
        tool: "device",
        operands: &["[*-n*] _NAME_ *add*|*del* _DEVICE_ [_NEWNAME_]"],
        description: &[
            "Gives a device of the host to a running container, or takes it back: a network interface \
             by its name, another device by the path of its node.",
        ],
        exit: DONE,
        examples: &[("A second network card:", "lxc-device -n web add eth1")],
        related: &["cgroup", "attach"],
    },
    Text {
        tool: "diff",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Shows which files of a container are different from what it was made from: a line each, with *A* \
             for one that was added, *C* for one that was changed, *D* for one that was deleted, and its path. \
             Of a root filesystem that is an overlay, that is what its writable layer has; another one is \
             compared with the image that the container was made from, or that *--base* names.",
        ],
        exit: DONE,
        examples: &[("What a container has that its image has not:", "lxc-rs diff web | grep ^A")],
        related: &["commit"],
    },
    Text {
        tool: "doctor",
        operands: &[""],
        description: &[
            "Tries what this host can do for containers: starts some that run true(1) over the host's own \
             files, one of them with the lines of the file for new containers, and makes files without a \
             name in the directory of containers. What cannot be tried is read from the kernel: its features, \
             cgroups, security modules, limits, what ordinary users need, lxc-net, and programs of other \
             packages. Nothing is changed, and nothing left.",
            "Each line is *ok*, *limited* (containers can do without it) or *fails* (containers do not work, or \
             not as they are configured), with the first cause and what to do about it. An ordinary user sees \
             what their own containers get. *--quiet* leaves out what is ok.",
        ],
        exit: &[
            ("0", "Containers work here."),
            ("1", "It could not be examined; standard error says why."),
            ("2", "Something fails."),
        ],
        examples: &[
            ("What is to be done here:", "lxc-rs doctor --quiet"),
            (
                "What fails, by a program:",
                "lxc-rs doctor --format json | jq -r '.findings[] | select(.verdict == \"fails\") | .fix'",
            ),
        ],
        related: &["checkconfig", "check"],
    },
    Text {
        tool: "execute",
        operands: &["[*-n*] _NAME_ [*--* _COMMAND_ [_ARGUMENT_]...]"],
        description: &[
            "Runs one command in a container of its own and waits for it; the container lives as long \
             as the command. A small init is its process 1, which passes signals on and takes care of \
             orphaned processes. Without a command it is that of *lxc.execute.cmd*.",
            "A container that runs is not entered; lxc-attach(1) does that.",
        ],
        exit: &[
            (
                "0-255",
                "The command's own exit code; 128 and the signal's number if a signal ended it.",
            ),
            ("1", "The container could not be started."),
            ("255", "The command could not be executed."),
        ],
        examples: &[(
            "A command in namespaces of its own:",
            "lxc-execute -n job -f job.conf -- make test",
        )],
        related: &["start", "attach"],
    },
    Text {
        tool: "export",
        operands: &["[*-n*] _NAME_ [_FILE_]"],
        description: &[
            "Writes a container to one archive, or to standard output: its configuration and all of its root \
             filesystem, with the ids of its inside. *lxc-rs import* makes a container of it, with other ids if \
             need be. What is mounted in the container is left out, and so are sockets. The file has its name \
             only when all of it is there; nobody but its owner may read it.",
            "The archive is one of tar with *lxc-export.json*, which says what it is; *config*, the part of the \
             configuration that stays inside, as in images made for LXC; *config.host*, the rest; and *rootfs*. \
             It is compressed as the file's name says: *.gz*, *.zst*, *.xz*.",
            "With *--format oci* it is an archive of an image with one layer, which skopeo(1), podman-load(1) \
             and *lxc-create -t oci* read as well; its command is the container's.",
            "A container that runs is refused without *--allowrunning*, with which it is written as it is. Freeze \
             it meanwhile for an archive of one moment.",
        ],
        exit: DONE,
        examples: &[
            (
                "To a file, and back under another name:",
                "lxc-rs export web web.tar.zst\nlxc-rs import web.tar.zst copy",
            ),
            ("To another host:", "lxc-rs export web | ssh other lxc-rs import -"),
        ],
        related: &["import", "copy", "commit"],
    },
    Text {
        tool: "forward",
        operands: &["[[*-n*] _NAME_ [_PORTS_]...]"],
        description: &[
            "Forwards ports of the host to a running container, until it stops, over its reboots: to the first \
             address of either family that its configuration fixes, or that it has in a network of its bridge. _PORTS_ is [*tcp:*|*udp:*][_ADDRESS_*:*]_PORT_[*-*_PORT_]*:*_PORT_[*-*_PORT_]: \
             the host's ports, at one of its addresses (IPv6 in brackets) or at all, and the container's. \
             All of a command line are forwarded, or none.",
            "Without _PORTS_ it lists what is forwarded, to _NAME_ or to all containers. For a forward that \
             is there from each start on, write *lxc.net.N.forward* into the configuration.",
            "The container sees the address of who connects, except of those in its own network and of the \
             host's 127.0.0.1: these come from the host's address on its bridge. A port on which a process of \
             the host listens, or that leads to another running container, is refused.",
            "Root needs nft(8) for it. For an ordinary user, who may forward TCP ports from 1024 on, this command passes \
             the connections on itself, to a port at any address inside, until it is interrupted or the container \
             stops; inside they come from the container's own address.",
        ],
        exit: DONE,
        examples: &[
            ("The container's web server, on port 8080 of the host:", "lxc-rs forward web 8080:80"),
            ("No more:", "lxc-rs forward web --delete 8080:80"),
            (
                "DNS, at one address of the host:",
                "lxc-rs forward dns 192.0.2.1:53:53 udp:192.0.2.1:53:53",
            ),
            ("All there are:", "lxc-rs forward\nlxc-rs forward --format json"),
        ],
        related: &["info", "net"],
    },
    Text {
        tool: "freeze",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Suspends all processes of a container until lxc-unfreeze(1) lets them run again. They keep \
             their memory and connections, and cannot notice other than by the time that has passed.",
        ],
        exit: &[
            ("0", "It is frozen, or was so already."),
            ("1", "It does not run, or cannot be frozen."),
        ],
        examples: &[],
        related: &["unfreeze", "stop"],
    },
    Text {
        tool: "import",
        operands: &["_FILE_ [_NAME_]", "*-* _NAME_"],
        description: &[
            "Makes a container of what *lxc-rs export* wrote, under its old name or another one, and prints the \
             name. Owners, modes, times, links, holes, devices, ACLs, file capabilities and attributes of users \
             are what they were; with *lxc.idmap* in the configuration to begin with, or *--idmap auto*, the ids \
             are mapped.",
            "The configuration begins as that of any new container: with *-f* or the system's default, from \
             which it has its network and its ids. What the archive's says of the inside is added. What it says \
             of the host, such as hooks, links and mounts, is left out and named; *--trust-config* takes it \
             instead of the system's default.",
            "An archive of an image is imported as *lxc-create -t oci* does.",
        ],
        exit: DONE,
        examples: &[("With ids of its own:", "lxc-rs import --idmap auto web.tar.zst")],
        related: &["export", "create"],
    },
    Text {
        tool: "info",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Shows a container's state and, if it runs, the pid of its init, its addresses, what it uses \
             of the processors and the memory, and its links. Options choose parts of that; *-H* prints \
             plain numbers and, of a single part, nothing but the value, for scripts.",
            "*-c* shows values of its configuration, as the key's name in lxc.container.conf(5) asks.",
        ],
        exit: &[("0", "It is printed."), ("1", "There is no such container.")],
        examples: &[
            ("In scripts:", "lxc-info -n web -sH\nlxc-info -n web -iH"),
            ("A value of its configuration:", "lxc-info -n web -c lxc.net.0.link"),
        ],
        related: &["ls", "wait", "monitor"],
    },
    Text {
        tool: "init",
        operands: &["*--name* _NAME_ *--* _COMMAND_ [_ARGUMENT_]..."],
        description: &[
            "The small init of containers that lxc-execute(1) starts, for use inside, where it is called \
             *init.lxc*: runs a command, passes signals on to it, and takes care of orphaned processes.",
        ],
        exit: &[
            (
                "0-255",
                "The command's own exit code; 128 and the signal's number if a signal ended it.",
            ),
            FAILURE,
        ],
        examples: &[],
        related: &["execute"],
    },
    Text {
        tool: "ls",
        operands: &["[_REGEX_]"],
        description: &[
            "Lists containers: those with a configuration, and those that run without one. A regular \
             expression chooses by name. *-1* prints a name a line, *-f* a table, of which *-F* chooses \
             the columns: NAME, STATE, PID, RAM, SWAP, AUTOSTART, GROUPS, INTERFACE, IPV4, IPV6 and \
             UNPRIVILEGED. *--nesting* follows each container by those in it, in the directory of the \
             same name: *OUTER/INNER*, or indented after a backslash in the table.",
        ],
        exit: &[("0", "It is printed, also if there are none.")],
        examples: &[
            ("What runs, with addresses:", "lxc-ls -f --running"),
            ("Some columns:", "lxc-ls -f -F name,state,ram"),
            ("With the containers in containers:", "lxc-ls -f --nesting"),
        ],
        related: &["info", "monitor"],
    },
    Text {
        tool: "monitor",
        operands: &["[*-n*] [_REGEX_]"],
        description: &[
            "Prints a line for each change of a container's state, and for the exit code of its init, \
             until it is interrupted. A regular expression that must match the whole name chooses \
             containers; several *-P* watch several directories.",
        ],
        exit: &[("0", "With *-Q*: lxc-monitord was told to end."), FAILURE],
        examples: &[("All whose name begins with web:", "lxc-monitor -n 'web.*'")],
        related: &["wait", "info"],
    },
    Text {
        tool: "net",
        operands: &["*start*|*stop*|*restart*|*reload*|*force-reload*|*status*"],
        description: &[
            "Makes the network that containers are on by default: the bridge *lxcbr0* with an address, \
             dnsmasq(8) on it for DHCP, and for DNS with the names of running containers below *LXC_DOMAIN* (lxc), and \
             address translation towards the outside by rules of nft(8). *stop* takes all of it away again. \
             *status* says what is there, whose each link on the bridge is, which names and leases there are, and which ports \
             of the host are forwarded.",
            "Settings are shell-like assignments in */etc/default/lxc* and */etc/default/lxc-net*: \
             *USE_LXC_BRIDGE*, *LXC_BRIDGE*, *LXC_BRIDGE_MAC*, *LXC_ADDR*, *LXC_NETMASK*, *LXC_NETWORK*, \
             *LXC_DHCP_RANGE*, *LXC_DHCP_MAX*, *LXC_DHCP_CONFILE*, *LXC_DHCP_PING*, *LXC_DOMAIN*, \
             *LXC_USE_NFT*, *LXC_IPV6_ENABLE*, *LXC_IPV6_ADDR*, *LXC_IPV6_MASK*, *LXC_IPV6_NETWORK* and *LXC_IPV6_NAT*. \
             With IPv6 dnsmasq gives addresses by DHCPv6, too, and advertises the bridge as a router. \
             *LXC_IPV6_ENABLE=true* alone gives the bridge a network of IPv6 that is made from the machine's id. \
             On a host without IPv6 the bridge has IPv4 only, with a warning; *LXC_IPV6_ENABLE=false* asks \
             for that.",
        ],
        exit: &[
            SUCCESS,
            FAILURE,
            ("2", "The command line is wrong."),
            ("3", "*status*: the network is not up."),
        ],
        examples: &[(
            "Another network:",
            "echo 'LXC_ADDR=10.9.0.1' >>/etc/default/lxc-net\nlxc-net restart",
        )],
        related: &["start"],
    },
    Text {
        tool: "reference",
        operands: &[""],
        description: &[
            "Prints what lxc.container.conf(5) says, straight from the program: the page itself, the \
             names of the keys, a line that sets each of them, or all that is known of them as JSON.",
        ],
        exit: &[("0", "It is printed."), FAILURE],
        examples: &[("The page:", "lxc-rs reference | man -l -")],
        related: &["info"],
    },
    Text {
        tool: "run",
        operands: &["_IMAGE_ [_COMMAND_ [_ARGUMENT_]...]"],
        description: &[
            "Makes a container of an image of OCI or Docker, runs its command below a small init, as lxc-execute(1) does, and \
             waits for it. _COMMAND_ takes the place of the image's own, which its entrypoint gets if it has one. All that \
             follows _IMAGE_ is the command's.",
            "An _IMAGE_ is a name as *lxc-rs image* has it, or a URL of the template *oci*. One that is kept here is taken \
             from here; else it is fetched from its registry, and kept. *lxc-rs image pull* has more options for registries.",
            "Without *-n* the container has the name of the image and six letters. It stays when the command ends, and \
             lxc-execute(1) runs its command again; *--rm* destroys it. If it cannot be started it is destroyed.",
            "A volume NAME is *LXCPATH/.volumes/*_NAME_. The first container that has it fills it with what the image has in \
             its place; it stays when containers are destroyed, also with *--rm*. After another colon there may be options \
             of mounts, such as *ro*. Directories of the image that are meant for data but are no volumes here are part of the \
             container.",
            "The ports on which an image listens are told, and not forwarded.",
        ],
        exit: &[
            (
                "0-255",
                "The command's own exit code; 128 and the signal's number if a signal ended it.",
            ),
            ("1", "The container could not be made or started."),
            ("255", "The command could not be executed."),
        ],
        examples: &[
            (
                "A command in a system of its own, of which nothing is left:",
                "lxc-rs run --rm debian:12 cat /etc/os-release",
            ),
            (
                "A database in the background, whose data stay:",
                "lxc-rs run -d -n db -v data:/var/lib/postgresql/data postgres:16",
            ),
            ("With ids that no other container has:", "lxc-rs run --rm --idmap auto alpine id"),
        ],
        related: &["execute", "create", "forward", "rs-image"],
    },
    Text {
        tool: "shift",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Gives the files of a container that does not run to the ids that they are to have on the disk: \
             those that *lxc.idmap* says, or, with *idmap=container* in *lxc.rootfs.options*, those of the \
             host. Owners, POSIX ACLs and file capabilities are changed, and set-ID bits kept. Run it after a \
             change of *lxc.idmap*; nothing else does it.",
            "Which ids the files have now is told by the owner of the root directory, whom it takes for the \
             container's root; *--from* says it instead, as *-m* of lxc-usernsexec(1) does, or *none* for the \
             host's ids. Files of other ids are left alone, which is said.",
            "With *--idmap auto* the container gets ids of its own first, as with lxc-create(1): a \
             privileged container becomes one in a user namespace. Where the file system can, that changes \
             no file.",
            "No link is followed, no device or fifo opened, and nothing on another mount touched. A shift that \
             was interrupted is completed by the next command that needs the files, a start as well. Old \
             and new ids must not overlap; a container whose files are layers of others is refused.",
        ],
        exit: DONE,
        examples: &[
            ("After a change of lxc.idmap:", "lxc-rs shift web"),
            ("A privileged container gets ids of its own:", "lxc-rs shift --idmap auto web"),
        ],
        related: &["create", "check", "usernsexec"],
    },
    Text {
        tool: "snapshot",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Takes a snapshot of a stopped container, which is called *snap0*, *snap1* and so on; lists \
             snapshots (*-L*), brings a container back to one (*-r*), or removes one (*-d*).",
        ],
        exit: DONE,
        examples: &[("Before and after:", "lxc-snapshot -n web\nlxc-snapshot -n web -r snap0")],
        related: &["copy", "destroy"],
    },
    Text {
        tool: "start",
        operands: &["[*-n*] _NAME_ [*--* _COMMAND_ [_ARGUMENT_]...]"],
        description: &[
            "Starts a container as its configuration says and runs its init, */sbin/init* unless \
             *lxc.init.cmd* or a command given here says otherwise. In the background, which is the \
             default, it returns when the container runs; in the foreground (*-F*) this terminal is the \
             container's console until it ends.",
            "One process, the monitor, stays with each container. It calls the hooks, answers the \
             other commands and takes down what the start set up. A start that fails names its cause, \
             the line of the configuration it comes from, and what to do, and leaves nothing behind.",
        ],
        exit: &[
            (
                "0",
                "It runs, or ran already; with *-F*: it ran and has ended, whatever its init returned.",
            ),
            ("1", "It could not be started."),
        ],
        examples: &[
            ("In the background:", "lxc-start -n web"),
            (
                "With a shell instead of its init, and a value of the configuration changed for once:",
                "lxc-start -n web -F -s lxc.uts.name=rescue -- /bin/sh",
            ),
        ],
        related: &["stop", "attach", "execute", "wait"],
    },
    Text {
        tool: "storage",
        operands: &["*size* _NAME_ [_SIZE_ | *none*]", "*check* [_NAME_]..."],
        description: &[
            "*size* shows how much of the disk a container's root filesystem takes and may take, or lets it \
             have _SIZE_: bytes, or a number of *K*, *M*, *G* or *T*. That holds at once, also while it \
             runs, and is written into its configuration (*lxc.rootfs.size*). Less than it takes is refused, \
             and so is a first limit of a container that runs.",
            "*check* lists what killed operations and other tools have left in a directory of containers, or of \
             the containers _NAME_: unfinished operations, rests of containers and snapshots, records of \
             snapshots that are gone, limits without files, and storage that no configuration names. It changes \
             nothing. With *--fix* it completes or removes these, each under the locks of the operation that \
             made it, so that what is going on is left alone; storage that may have data only with \
             *--remove* as well. What needs a base that is gone is listed and left alone.",
        ],
        exit: &[
            ("0", "It was done; nothing is left."),
            ("1", "It could not be done; standard error says why."),
            ("2", "Something is left."),
        ],
        examples: &[
            (
                "Ten gibibytes, and no limit:",
                "lxc-rs storage size web 10G\nlxc-rs storage size web none",
            ),
            ("After a power cut:", "lxc-rs storage check\nlxc-rs storage check --fix"),
        ],
        related: &["create", "info", "snapshot"],
    },
    Text {
        tool: "stop",
        operands: &["[*-n*] _NAME_"],
        description: &[
            "Asks a container's init to shut down, by the signal *lxc.signal.halt*, waits for it, and \
             kills it when 60 seconds (*-t*) were not enough. *-r* reboots it instead, *-k* kills it at \
             once.",
        ],
        exit: &[
            ("0", "It has stopped; with *-W* it was asked to."),
            ("1", "It could not be stopped, or still runs when the time is over (*--nokill*)."),
            ("2", "It does not run."),
        ],
        examples: &[("Ten seconds to shut down, else the end:", "lxc-stop -n web -t 10")],
        related: &["start", "destroy", "wait"],
    },
    Text {
        tool: "top",
        operands: &[""],
        description: &[
            "Shows what the running containers use of the processors, disks and memory, anew every few \
             seconds. Keys: q ends it; n, c, b, m, s and k sort by name, processor time, block \
             devices, memory, memory with swap and the kernel's memory; r turns the order round.",
        ],
        exit: DONE,
        examples: &[],
        related: &["info", "ls"],
    },
    Text {
        tool: "unfreeze",
        operands: &["[*-n*] _NAME_"],
        description: &["Lets the processes of a container run again that lxc-freeze(1) suspended."],
        exit: &[
            ("0", "It is not frozen any more, or was not."),
            ("1", "There is no such container."),
        ],
        examples: &[],
        related: &["freeze"],
    },
    Text {
        tool: "unshare",
        operands: &["*-s* _NAMESPACES_ [*--*] _COMMAND_ [_ARGUMENT_]..."],
        description: &[
            "Runs a command in new namespaces, without a container: any of MOUNT, PID, UTSNAME, IPC, \
             USER and NETWORK, separated by bars.",
        ],
        exit: &[("0", "The command returned 0."), ("1", "It did not, or could not be run.")],
        examples: &[("A network with nothing in it:", "lxc-unshare -s NETWORK -- ip link")],
        related: &["usernsexec", "execute"],
    },
    Text {
        tool: "update-config",
        operands: &["*-c* _FILE_"],
        description: &[
            "Rewrites a configuration with the names of LXC 2.0 and before to today's, and keeps the old \
             one as _FILE_*.backup*.",
        ],
        exit: DONE,
        examples: &[],
        related: &["start"],
    },
    Text {
        tool: "usernsexec",
        operands: &["[*-m* _MAP_]... [*--* _COMMAND_ [_ARGUMENT_]...]"],
        description: &[
            "Runs a command, or a shell, as root of a new user namespace. A map names its kind \
             (u, g or b for both), the first id inside, the first on the host, and how many, separated \
             by colons; without any, the caller's share in /etc/subuid and /etc/subgid is used.",
        ],
        exit: &[("0-255", "The command's own exit code."), FAILURE],
        examples: &[],
        related: &["unshare"],
    },
    Text {
        tool: "wait",
        operands: &["[*-n*] _NAME_ *-s* _STATE_[|_STATE_]..."],
        description: &[
            "Waits until a container is in one of the given states: STOPPED, STARTING, RUNNING, \
             STOPPING, ABORTING, FREEZING, FROZEN or THAWED. A container that is not there counts as \
             STOPPED.",
        ],
        exit: &[
            ("0", "It is in that state."),
            ("1", "It was not within the time given, or no state is called so."),
        ],
        examples: &[("Until it ends, a minute at most:", "lxc-wait -n web -s STOPPED -t 60")],
        related: &["monitor", "info"],
    },
];
