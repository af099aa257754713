//! The page of `lxc-rs image`, which is a program of its own: `crates/images`.

use super::page::Page;

/// Its commands: what follows the name, and what it does.
const COMMANDS: [(&str, &str); 10] = [
    (
        "*ls* [*--format json*]",
        "List the images: name, digest, size of the layers, platform, room of the unpacked layers, how many containers \
         use these.",
    ),
    (
        "*pull* _IMAGE_ [*--platform* _OS/ARCH_] [*--mirror* _URL_] [_LOGIN_]",
        "Fetch an image from its registry, or from a mirror that has it. Layers come several at once, and an interrupted \
         download is continued.",
    ),
    (
        "*push* _IMAGE_ [_NAME_] [_LOGIN_]",
        "Send an image to the registry of _NAME_, by default its own. What is there already is not sent.",
    ),
    (
        "*inspect* _IMAGE_",
        "Show manifest and configuration of an image, its layers, where they are unpacked, and which containers use \
         them, as JSON.",
    ),
    ("*history* _IMAGE_ [*--format json*]", "Show the steps in which an image was made."),
    ("*tag* _IMAGE_ _NAME_", "Give an image a further name."),
    ("*rm* _IMAGE_...", "Take names away. What they led to stays until *prune*."),
    (
        "*prune* [*--dry-run*] [*--forget* _DIR_] [*--format json*]",
        "Remove what no name leads to, and unpacked layers that in addition no container uses. While a directory of \
         containers that used layers cannot be seen, no layers are removed; *--forget* says that _DIR_ is gone for good.",
    ),
    (
        "*serve-tree* _DIR_ [_FILE_ *-d* _DISTRIBUTION_ *-r* _RELEASE_ [*-a* _ARCH_] [*--variant* _NAME_] [*--message* _TEXT_] \
         [*--expires* _DAYS_] [*--trust-config*]] [*--keep* _COUNT_] [*--sign* _KEY_]",
        "Put what *lxc-rs export* wrote to _FILE_, or to standard input for *-*, into a tree of files that any web server \
         offers to *lxc-create -t download*, as a new build of that image; print the build's name. Of each image the newest \
         *--keep* builds, by default 2, stay. With *--sign* everything is signed by that key of gpg(1). Without _FILE_ only \
         the index is made anew. Of the configuration it offers what stays inside, with *--trust-config* all.",
    ),
    (
        "*verify* [_IMAGE_]...",
        "Compare images, by default all, with their digests, and unpacked layers with what they were.",
    ),
];

pub(super) fn page() -> Page {
    let mut page = Page::new("lxc-rs-image", 1, "images that containers are made from");
    page.heading("SYNOPSIS")
        .paragraphs(&["*lxc-rs image* _COMMAND_ [_OPTION_]... [_ARGUMENT_]..."]);
    page.heading("DESCRIPTION").paragraphs(&[
        "Fetches images of OCI and Docker from registries, keeps them on this host, and sends them. \
         *lxc-create -t oci -- --url image:*_IMAGE_ makes a container of one that is kept.",
        "An _IMAGE_ is [_HOST_[*:*_PORT_]*/*]_NAME_[*:*_TAG_][*@*_DIGEST_]. Without a host it is Docker's, without a tag \
         *latest*.",
        "_LOGIN_ is *--username* _NAME_ *--password* _WORD_, by default what docker-login(1) or podman-login(1) keeps; with \
         *--plain-http* the registry is asked without encryption.",
    ]);
    page.heading("COMMANDS");
    for (term, text) in COMMANDS {
        page.item(term, text);
    }
    page.heading("FILES");
    page.item(
        "*/var/cache/lxc/oci*",
        "The images, in OCI's layout; of ordinary users in *~/.cache/lxc/oci*, and with *LXC_CACHE_PATH* in its \
         directory *oci*.",
    );
    page.item(
        "*/var/lib/lxc/.layers*",
        "Unpacked layers, which containers share; of ordinary users in *~/.local/share/lxc/.layers*, and with \
         *LXC_LAYERS_PATH* in that directory. Containers are nothing without them.",
    );
    page.item(
        "*/etc/docker/certs.d*, */etc/containers/certs.d*",
        "Certificates of single registries.",
    );
    page.heading("EXIT STATUS");
    page.item("*0*", "It was done.");
    page.item("*1*", "It failed, or what was verified is damaged.");
    page.see_also(&[("lxc-create".to_owned(), 1), ("lxc-rs".to_owned(), 1), ("lxc".to_owned(), 7)]);
    page
}
