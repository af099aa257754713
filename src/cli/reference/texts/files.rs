//! Commands that make containers and change their files and configuration.

use super::{DONE, Text};

pub(super) const TEXTS: &[Text] = &[
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
             source ends in */.*. If the target does not exist, the source is copied to that path. A file replaces \
             another file or link once all of it has been copied; until then the old one stays. An existing directory \
             keeps its own attributes and receives the new entries; nothing else replaces it. Below the \
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
             mebibytes; 1G by default). *-B lvm* makes a logical volume of that kind, called *--lvname* (by default as the \
             container) in the volume group *--vgname*, in the thin pool *--thinpool* if that or the one of \
             lxc.conf(5) is there; *-B nbd* an image for qemu-nbd in the container's directory; *-B rbd* an image \
             of Ceph called *--rbdname* in the pool *--rbdpool*; *-B zfs* a dataset below *--zfsroot*. \
             *-B squashfs* and *-B erofs* make a compressed image of what \
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
];
