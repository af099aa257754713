//! Commands that start, enter and stop containers.

use super::{DONE, FAILURE, Text};

pub(super) const TEXTS: &[Text] = &[
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
            ("127", "The command was not found in the container."),
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
             of mounts, such as *ro*. Directories that the image declares as volumes, and that are not given here, are part of \
             the container.",
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
