//! Commands about the host and these tools themselves.

use super::{FAILURE, SUCCESS, Text};

pub(super) const TEXTS: &[Text] = &[
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
        tool: "config",
        operands: &["_ITEM_", "*-l*"],
        description: &[
            "Prints an item of the system configuration lxc.conf(5), such as *lxc.lxcpath*: what the \
             file says, or the default. *-l* lists the items there are.",
        ],
        exit: &[
            ("0", "The item was printed, even if it is not set."),
            ("1", "No item has that name."),
        ],
        examples: &[("Where containers are:", "lxc-config lxc.lxcpath")],
        related: &["info"],
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
        tool: "net",
        operands: &["*start*|*stop*|*restart*|*reload*|*force-reload*|*status*"],
        description: &[
            "Makes the network that containers are on by default: the bridge *lxcbr0* with an address, \
             dnsmasq(8) on it for DHCP, and for DNS with the names of running containers below *LXC_DOMAIN* (lxc), and \
             address translation towards the outside by rules of nft(8). *stop* takes all of it away again. \
             *status* shows what is running, the owner of each link on the bridge, the names and leases, and the forwarded ports \
             of the host.",
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
];
