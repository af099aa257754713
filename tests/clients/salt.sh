# Salt's execution module lxc: by salt-call, and by what salt-call is made of, in one process.
packages='busybox-static python3-venv'
version() { "$CLIENTS_CACHE/salt/bin/pip" show salt 2>/dev/null | sed -n 's/^Version: //p'; }

prepare() {
    [ -x "$CLIENTS_CACHE/salt/bin/salt-call" ] && return
    rm -rf "$CLIENTS_CACHE/salt"
    { python3 -m venv "$CLIENTS_CACHE/salt" && timeout 300 "$CLIENTS_CACHE/salt/bin/pip" install --quiet 'salt==3007.*'; } \
        >"$log" 2>&1 && return
    rm -rf "$CLIENTS_CACHE/salt"
    # shellcheck disable=SC2034
    skipped="salt cannot be installed with pip: $(tail -n 1 "$log")"
}

client() {
    local salt=$CLIENTS_CACHE/salt/bin
    mkdir -p "$HOME/salt"
    printf '%s\n' 'file_client: local' "root_dir: $HOME/salt" "config_dir: $HOME/salt" 'id: here' >"$HOME/salt/minion"
    code 0 "$salt/salt-call" --config-dir "$HOME/salt" --local --out txt lxc.version
    same lxc.version 'local: 5.0.2' "$(cat "$RUN/out")"
    code 0 "$salt/python3" tests/clients/salt-functions.py "$HOME/salt/minion"
    code 0 "$salt/salt-call" --config-dir "$HOME/salt" --local --out txt lxc.list
    same lxc.list "local: {'running': [], 'stopped': [], 'frozen': []}" "$(cat "$RUN/out")"
}
