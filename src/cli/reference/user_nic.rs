//! The pages about links of ordinary users: lxc-user-nic(1) and lxc-usernet(5).

use super::page::Page;

pub(super) fn pages() -> impl Iterator<Item = Page> {
    [program(), policy()].into_iter()
}

fn see_also(page: &str, section: u8) -> [(String, u8); 4] {
    [("lxc", 7), ("lxc-start", 1), (page, section), ("lxc.container.conf", 5)]
        .map(|(name, section)| (name.to_owned(), section))
}

fn program() -> Page {
    let mut page =
        Page::new("lxc-user-nic", 1, "make and delete links for containers of ordinary users");
    page.heading("SYNOPSIS").paragraphs(&[
        "*lxc-user-nic create* _LXCPATH_ _NAME_ _PID_ *veth* _BRIDGE_ [_INTERFACE_]",
        "*lxc-user-nic delete* _LXCPATH_ _NAME_ _NETNS_ *veth* _BRIDGE_ _LINK_",
    ]);
    page.heading("DESCRIPTION").paragraphs(&[
        "An ordinary user may make no link on the host. This program, which is set-user-ID root and called \
         by lxc-start(1), makes them, as far as */etc/lxc/lxc-usernet* allows; see lxc-usernet(5).",
        "*create* makes a pair of links. One end is in the network namespace of process _PID_ and is called \
         _INTERFACE_ there, or by the first free *eth*_N_. The other one is in _BRIDGE_, with the bridge's MTU; \
         with *none* for _BRIDGE_ it is in no bridge. Its name begins with *veth* and the user's number. The \
         namespace must belong to a user namespace that this user made, or to one below it.",
        "*delete* deletes such a link by its name on the host, and counts it no more. _NETNS_ is a path to the \
         network namespace. A link that nobody deletes goes with its namespace, and counts no more from \
         then on.",
        "_LXCPATH_ and _NAME_ tell, in a list of processes, which container it is for. Nothing is done with them.",
        "Bridges of Open vSwitch are not supported.",
    ]);
    page.heading("OUTPUT").paragraphs(&[
        "*create* prints _INTERFACE_*:*_NUMBER_*:*_LINK_*:*_NUMBER_: the name and the number of the end inside, \
         and those of the end on the host.",
    ]);
    page.heading("EXIT STATUS");
    page.item("*0*", "It was done.");
    page.item("*1*", "It was not allowed or could not be done; standard error says why.");
    page.heading("FILES");
    page.item("*/etc/lxc/lxc-usernet*", "Who may have how many links on which bridge.");
    page.item(
        "*/run/lxc/nics*",
        "The links there are, a line for each: owner, type, bridge and name on the host. Its lock and format \
         are those of LXC's program of this name.",
    );
    page.see_also(&see_also("lxc-usernet", 5));
    page
}

fn policy() -> Page {
    let mut page = Page::new("lxc-usernet", 5, "links that ordinary users may have");
    page.heading("DESCRIPTION").paragraphs(&[
        "*/etc/lxc/lxc-usernet* says how many links for containers each user may have on which bridge of the \
         host. Only root may be able to write it. Nobody has any without a line.",
        "A line is one of these, its words separated by blanks or tabs; what follows them is not read. Lines that \
         begin with *#* are comments, and lines of any other form give nothing.",
    ]);
    page.verbatim("USER   veth BRIDGE COUNT\n@GROUP veth BRIDGE COUNT");
    page.item("_USER_", "The name of a user.");
    page.item("*@*_GROUP_", "The name of a group. Its members share the number of links.");
    page.item("*veth*", "The only type of links.");
    page.item("_BRIDGE_", "The bridge, or *none* for links that are in no bridge.");
    page.item("_COUNT_", "How many there may be at once, in digits.");
    page.paragraphs(&[
        "Each line is a share of its own. Where several apply to a user, a link counts in the first that is not \
         full; two lines for the same owner do not add up: the larger number counts.",
    ]);
    page.heading("EXAMPLES").verbatim("alice     veth lxcbr0 10\n@students veth lxcbr0 50");
    page.see_also(&see_also("lxc-user-nic", 1));
    page
}
