//! Commands that show containers and change what they may use.

use super::{DONE, FAILURE, Text};

pub(super) const TEXTS: &[Text] = &[
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
        tool: "report",
        operands: &["[*-n*] _NAME_ [_FILE_]"],
        description: &[
            "Collects in one archive what somebody needs who looks for the cause of a problem with a container: \
             its configuration with the files that it includes, what *lxc-rs check*, *lxc-rs denials* and \
             *lxc-rs doctor* say, its log and that of its console (the last mebibyte of each), the names of the \
             files in its directory, its state, what the kernel says of its init, and of the host the system's \
             name, kernel, mounts, cgroups, ids of users and settings of LXC. No file of the root filesystem.",
            "Secrets are replaced by *(removed)*: values of the container's environment, what follows words like \
             password or token, the user's part of an address, private keys. Others may be left, so the \
             list of its files is printed, to be read before the archive is given away. It is written to _FILE_, \
             or to one named after the container and the time.",
        ],
        exit: DONE,
        examples: &[(
            "See what it would be, and write it:",
            "lxc-rs report web --list\nlxc-rs report web /tmp/web.tar.gz",
        )],
        related: &["doctor", "check", "denials", "info"],
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
];
