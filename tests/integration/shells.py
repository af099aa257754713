"""Types command lines into an interactive shell, as a person does, and prints what the commands were given.

    shells.py SHELL STAGE DIRECTORY <LINES

Each line of LINES is typed and ended with Enter; a ⇥ in it is the Tab key. The completions are those below STAGE, found
as SHELL finds those that are installed. In DIRECTORY, which is first in PATH, lie commands that print what they are
given; those that do not lie there are STAGE's own.
"""
import os
import pty
import re
import select
import sys
import time

PATIENCE = 20.0

shell, stage, directory = sys.argv[1:]
START = {
    "bash": (["bash", "--noprofile", "--norc", "-i"], ". /usr/share/bash-completion/bash_completion"),
    "zsh": (["zsh", "-f", "-i"], f"fpath=({stage}/share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -D -u"),
    "fish": (["fish", "--no-config", "-i"], f"set -p fish_complete_path {stage}/share/fish/vendor_completions.d"),
}
words, loads = START[shell]
environment = {
    "HOME": directory,
    "PATH": f"{directory}:{stage}/bin:/usr/bin:/bin",
    "TERM": "xterm",
    "LC_ALL": "C.UTF-8",
    # Of the package bash-completion.
    "BASH_COMPLETION_USER_DIR": f"{stage}/share/bash-completion",
}
pid, terminal = pty.fork()
if pid == 0:
    os.execvpe(words[0], words, environment)

said = ""


def type_line(line, pattern):
    """What SHELL prints after the line was typed, as far as `pattern` wants it."""
    global said
    said = ""
    os.write(terminal, (line.replace("⇥", "\t") + "\r").encode())
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := re.search(pattern, said):
            return found[1]
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 4096).decode(errors="replace")
    return f"nothing in {PATIENCE:.0f} s, but: {said!r}"


# What is typed is shown as well: the answer to this is not in it.
type_line(f"{loads}; expr 40000 + 2", r"(40002)")
for line in sys.stdin.read().splitlines():
    print(type_line(line, r"<([^&>]*)>"))
os.close(terminal)
os.waitpid(pid, 0)
