//! The pages of configuration files: lxc.container.conf(5), its keys from the registry, and
//! lxc.conf(5).

use roff::{bold, italic, roman};

use super::page::Page;
use crate::config::key::{self, Form, Key, OWN};
use crate::config::legacy;

/// Keys of one subject: a heading, the beginnings of their names, and what is to be known of them all.
struct Subject {
    title: &'static str,
    stems: &'static [&'static str],
    text: &'static [&'static str],
}

const SUBJECTS: &[Subject] = &[
    Subject { title: "Name and architecture", stems: &["lxc.uts", "lxc.arch"], text: &[] },
    Subject {
        title: "Root filesystem",
        stems: &["lxc.rootfs", "lxc.ephemeral"],
        text: &[
            "What the container sees as */*. Without *lxc.rootfs.path* it is the host's own. The back-end \
             before it is *dir* (a directory, also without any), *btrfs* (a subvolume), *overlay* (the \
             layers below and the writable one, with colons between them), *loop* (a file with a file system), \
             *lvm* (the device of a logical volume, */dev/*_GROUP_*/*_VOLUME_), *zfs* (a dataset), *nbd* (an \
             image for qemu-nbd, and after a colon the number of a partition), *rbd* (*/dev/rbd/*_POOL_*/*_IMAGE_ \
             of Ceph) or *squashfs* or *erofs* (an image, and after a colon a writable layer over it, or without \
             one nothing that is written). A layer below may be an image or a block device.",
            "Images and block devices are mounted by the host's root. *lxc.rootfs.options* may have \
             options of their file systems, such as *discard*.",
            "*lxc.rootfs.size* limits how much of the disk it takes: of a directory and of the writable layer \
             of an overlay by a project quota of ext4 or XFS, of a subvolume by a quota group of btrfs, \
             of a dataset by its *refquota*. Of images and volumes it is their own size, which can grow. \
             Where the file system has no quotas a start is refused, with what to do. A copy and a snapshot have the same \
             limit, each for itself. Files that are links, devices and the like count only if they are made \
             after the limit. What the container mounts beside its root filesystem is not limited.",
            "An overlay has up to 500 layers, and its options are those of the kernel: *metacopy=on* (a file of \
             which only owner or mode changes is not copied; root's containers without id maps only), \
             *redirect_dir=on*, *index=on*. With *lxc.ephemeral* it is mounted *volatile*: what is \
             written need not come to the disk, for the layer is removed when the container stops. After a \
             crash of the host such a container is refused and can only be destroyed.",
        ],
    },
    Subject {
        title: "Mounts",
        stems: &["lxc.mount"],
        text: &[
            "Mounts are made in the container only, in this order: those of *lxc.mount.auto*, of the \
             file *lxc.mount.fstab*, of the lines *lxc.mount.entry*.",
            "A line of the latter two is one of fstab(5): source, target, type, options, and two \
             numbers that mean nothing here; a blank in a path is written *\\040*. The target is below \
             the root filesystem, without a leading slash; an absolute one that is not below the root filesystem is ignored. Besides mount(8)'s options there are \
             *create=dir* and *create=file* (make the target first), *optional* (a mount that fails is \
             no error), *relative* (the source is below the root filesystem as well) and \
             *idmap=container* (files belong to the ids that the container's user namespace maps).",
            "Symbolic links in a target are not followed.",
        ],
    },
    Subject {
        title: "Devices, console and terminals",
        stems: &["lxc.autodev", "lxc.console", "lxc.pty", "lxc.tty"],
        text: &[],
    },
    Subject {
        title: "Network",
        stems: &["lxc.net"],
        text: &["Links are numbered; the number _N_ orders them and has no other meaning. \
             *lxc.net.*_N_*.type* comes first of a link's keys. Without any link a container has a \
             network of its own with nothing but a loopback that is down."],
    },
    Subject {
        title: "Init and its environment",
        stems: &["lxc.init", "lxc.execute", "lxc.environment", "lxc.signal"],
        text: &[
            "The container's first process, and what it finds: nothing of the environment of whoever \
             started it reaches it, but *container=lxc* and what the keys below set.",
            "Signals are numbers, or names such as *SIGPWR* and *SIGRTMIN+3*.",
        ],
    },
    Subject {
        title: "Namespaces and ids",
        stems: &["lxc.namespace", "lxc.idmap", "lxc.time"],
        text: &[
            "With *lxc.idmap* a container has a user namespace: its ids are others on the host, and its \
             root has power over nothing but what is the container's. A user's share of ids is in \
             subuid(5) and subgid(5).",
        ],
    },
    Subject {
        title: "Control groups",
        stems: &["lxc.cgroup", "lxc.cgroup2"],
        text: &[
            "Limits are files of the container's control group, by the names that the kernel gives them \
             (*memory.max*, *cpu.max*, *pids.max*): *lxc.cgroup2* for version 2, *lxc.cgroup* for \
             version 1. They are written in the order of their lines.",
            "*devices.deny = a* forbids all devices, *devices.allow = c 1:3 rwm* allows one: character \
             or block device, major and minor number (or ***), and any of read, write and mknod.",
        ],
    },
    Subject {
        title: "Limits, sysctls and scheduling",
        stems: &["lxc.prlimit", "lxc.sysctl", "lxc.proc", "lxc.sched"],
        text: &[],
    },
    Subject {
        title: "Security",
        stems: &[
            "lxc.cap",
            "lxc.apparmor",
            "lxc.selinux",
            "lxc.seccomp",
            "lxc.no_new_privs",
            "lxc.keyring",
        ],
        text: &[
            "Capabilities are written as in capabilities(7), without CAP_ and in small letters. \
             *lxc.cap.drop* takes some away, *lxc.cap.keep* all others; only one of them may be used.",
        ],
    },
    Subject {
        title: "Hooks",
        stems: &["lxc.hook"],
        text: &[
            "Programs that run at a stage of the container's life, in the order of their lines. The \
             stages of a start are *pre-start* (on the host), *pre-mount*, *mount* and *autodev* (in the \
             container's namespaces, with the host's files in sight), *start-host* (on the host) and \
             *start* (inside, right before init); those of its end are *stop* and *post-stop* (on the \
             host); *clone* and *destroy* run when it is copied and removed. One that fails before init \
             runs ends the start; *destroy* then keeps the container.",
            "A hook finds *LXC_NAME*, *LXC_CONFIG_FILE*, *LXC_ROOTFS_PATH*, *LXC_ROOTFS_MOUNT*, \
             *LXC_CONSOLE*, *LXC_CONSOLE_LOGPATH*, *LXC_LOG_LEVEL*, *LXC_CGNS_AWARE* and \
             *LXC_HOOK_VERSION* in its environment; from *start-host* on, *LXC_PID*; at the end, \
             *LXC_TARGET* (*stop* or *reboot*) and a descriptor's path for each namespace, as \
             *LXC_NET_NS*. With *lxc.hook.version = 0* the arguments are the container's name, *lxc* \
             and the stage; with 1, these are *LXC_HOOK_SECTION* and *LXC_HOOK_TYPE* instead.",
        ],
    },
    Subject {
        title: "Automatic start, groups",
        stems: &["lxc.start", "lxc.group"],
        text: &["lxc-autostart(1) reads these."],
    },
    Subject {
        title: "Log and monitor",
        stems: &["lxc.log", "lxc.monitor"],
        text: &["The monitor is the process of the host that stays with a running container."],
    },
];

/// Where the keys of `name` are described, by the longest beginning that fits.
fn subject(name: &str) -> Option<&'static Subject> {
    let fit = |subject: &&'static Subject| {
        let stems = subject.stems.iter();
        stems
            .filter(|stem| {
                name.strip_prefix(**stem)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            .map(|stem| stem.len())
            .max()
    };
    SUBJECTS.iter().filter(|subject| fit(subject).is_some()).max_by_key(fit)
}

/// Further names of pages of section 5: (name, page).
pub(super) const ALIASES: [(&str, &str); 1] = [("lxc.system.conf", "lxc.conf")];

pub(super) fn pages() -> impl Iterator<Item = Page> {
    [container(), system()].into_iter()
}

pub(super) fn container() -> Page {
    let mut page = Page::new("lxc.container.conf", 5, "configuration of a container");
    page.heading("SYNOPSIS").verbatim(
        "/var/lib/lxc/NAME/config\n~/.local/share/lxc/NAME/config\n/etc/lxc/default.conf",
    );
    page.heading("DESCRIPTION").paragraphs(&[
        "A container is what its configuration says. It is a text file in UTF-8 with a key and a value \
         a line:",
    ]);
    page.verbatim(
        "# The web server\nlxc.uts.name = web\nlxc.net.0.type = veth\nlxc.net.0.link = lxcbr0",
    );
    page.subheading("The language").paragraphs(LANGUAGE);
    page.subheading("Values from elsewhere").paragraphs(&[
        "*lxc.include =* _PATH_ reads another file where the line stands; of a directory, all files \
         whose name ends in *.conf*, by name. A directory that is not there, named with a slash at its \
         end, is none; a missing file is an error. Files that include themselves are refused.",
        "The configuration is complete by itself: */etc/lxc/default.conf* is what lxc-create(1) begins \
         a new container with, and is not read again at a start. On a command line, *-s* _KEY_*=*_VALUE_ \
         of lxc-start(1) and lxc-execute(1) comes after the file, for that start only.",
    ]);
    page.heading("KEYS");
    for subject in SUBJECTS {
        page.subheading(subject.title).paragraphs(subject.text);
        for key in key::all()
            .filter(|key| self::subject(key.name).is_some_and(|one| one.title == subject.title))
        {
            entry(&mut page, key);
        }
    }
    page.heading("NAMES BEFORE LXC 2.1").paragraphs(&[
        "Lines with the names of LXC 2.0 and before are errors; lxc-update-config(1) rewrites them.",
    ]);
    for (old, new) in legacy::renamed() {
        page.item(&format!("*{old}*"), &format!("is *{new}*."));
    }
    page.heading("EXAMPLES").paragraphs(&["A container on the bridge of lxc-net(8), with limits:"]);
    page.verbatim(EXAMPLE);
    page.paragraphs(&["One in a user namespace, as an ordinary user starts it:"])
        .verbatim(UNPRIVILEGED);
    page.see_also(&[
        ("lxc".to_owned(), 7),
        ("lxc.conf".to_owned(), 5),
        ("lxc-start".to_owned(), 1),
        ("lxc-create".to_owned(), 1),
        ("lxc-info".to_owned(), 1),
    ]);
    page
}

const LANGUAGE: &[&str] = &[
    "A line stands alone. The first *=* splits it; blanks around key and value do not count. A pair of \
     equal quotes around the whole value is taken off; within it nothing has a special meaning, and no \
     line continues on the next.",
    "A *#* begins a comment only where it is the first sign of a line: after a value it belongs to the \
     value. Lines that do not begin with *lxc.* are not ours and are passed over; a key beginning so that \
     is not known is an error.",
    "Most keys hold one value, and the last line wins. Others hold a list that each line adds to. An \
     empty value sets a key back: what the lines before said is forgotten.",
    "Where a key holds 0 or 1, no other word is taken.",
];

const EXAMPLE: &str = "\
lxc.include = /usr/share/lxc/config/common.conf
lxc.rootfs.path = dir:/var/lib/lxc/web/rootfs
lxc.uts.name = web
lxc.net.0.type = veth
lxc.net.0.link = lxcbr0
lxc.net.0.flags = up
lxc.cgroup2.memory.max = 512M
lxc.cgroup2.pids.max = 500
lxc.mount.entry = /srv/www srv/www none bind,ro,create=dir 0 0
lxc.start.auto = 1";

const UNPRIVILEGED: &str = "\
lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/userns.conf
lxc.idmap = u 0 100000 65536
lxc.idmap = g 0 100000 65536";

fn entry(page: &mut Page, key: &Key) {
    page.term(vec![bold(key.name), roman(" = "), italic(key.form.to_string())], &sentences(key));
    // What a number or a switch looks like is clear.
    if matches!(key.form, Form::Other(_) | Form::Text | Form::Command)
        && let Some(line) = key.sample_line()
    {
        page.form(vec![roman("Example: "), italic(line)]);
    }
}

/// What the registry says of a key.
fn sentences(key: &Key) -> String {
    let mut text = format!("{}.", key.help);
    if key.is_list {
        text += " A list.";
    }
    if !key.default.is_empty() {
        text += &format!(" Default: {}.", key.default);
    }
    if let Some(command) = key.live {
        text += &format!(" {command}(1) changes it while the container runs.");
    }
    match key.since {
        "2.1" => {}
        OWN => text += " LXC does not have it.",
        release => text += &format!(" Since LXC {release}."),
    }
    text
}

fn system() -> Page {
    let mut page = Page::new("lxc.conf", 5, "configuration of the commands");
    page.heading("SYNOPSIS").verbatim("/etc/lxc/lxc.conf\n~/.config/lxc/lxc.conf");
    page.heading("DESCRIPTION").paragraphs(&[
        "What holds for all containers of a host, or of a user: root's commands read the first file, \
         those of other users the second. A line is *key = value*; of several lines with one key the \
         first counts. There need not be a file.",
        "lxc-config(1) prints what holds.",
    ]);
    page.heading("KEYS");
    for (key, text) in SYSTEM {
        page.item(&format!("*{key}*"), text);
    }
    page.heading("FILES");
    page.item(
        "*/etc/lxc/default.conf*, *~/.config/lxc/default.conf*",
        "What new containers begin with.",
    );
    page.item(
        "*/etc/default/lxc*, */etc/default/lxc-net*",
        "Settings of the start at boot and of lxc-net(8).",
    );
    page.see_also(&[("lxc".to_owned(), 7), ("lxc.container.conf".to_owned(), 5)]);
    page
}

const SYSTEM: [(&str, &str); 8] = [
    (
        "lxc.lxcpath",
        "The directory that holds the containers, a directory each. Default: */var/lib/lxc*, of users \
         *~/.local/share/lxc*.",
    ),
    (
        "lxc.default_config",
        "The configuration new containers begin with. Default: */etc/lxc/default.conf*, of users \
         *~/.config/lxc/default.conf*.",
    ),
    (
        "lxc.cgroup.pattern",
        "Where the control groups of containers are; *%n* is the container's name. Default: \
         *lxc.payload.%n*, and *lxc.monitor.%n* for its monitor.",
    ),
    (
        "lxc.cgroup.use",
        "The controllers of cgroup version 1 that are used, separated by commas; *@all* means all. \
         Default: all.",
    ),
    ("lxc.bdev.lvm.vg", "The volume group for containers on logical volumes. Default: *lxc*."),
    ("lxc.bdev.lvm.thin_pool", "The thin pool in it. Default: *lxc*."),
    ("lxc.bdev.zfs.root", "The dataset below which those of containers are. Default: *lxc*."),
    (
        "lxc.bdev.rbd.rbdpool",
        "The Ceph pool for containers on block devices of it. Default: *lxc*.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_place() {
        for key in key::all() {
            assert!(subject(key.name).is_some(), "{} belongs to no subject of the page", key.name);
        }
        for subject in SUBJECTS {
            for stem in subject.stems {
                assert!(
                    key::all().any(|key| key.name.starts_with(stem)),
                    "no key begins with {stem}"
                );
            }
        }
        let text = container().render();
        for key in key::all() {
            let shown = format!("\n\\fB{}\\fR = ", key.name.replace('-', "\\-"));
            assert_eq!(text.matches(&shown).count(), 1, "{}", key.name);
        }
    }
}
