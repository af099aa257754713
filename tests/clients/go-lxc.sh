# Debian's go-lxc (cgo), compiled with our headers, over Debian's liblxc.so.1 and over ours: its own tests have the same
# results, but for those in go-lxc.differences; and many goroutines at once (go-lxc.go).
# Its test of the freezer waits half a minute for each step where that cannot be used, over either library.
# shellcheck disable=SC2154 # set by tests/clients/run
[ -n "${named-inside}" ] || skipped='it can take ten minutes: tests/clients/run go-lxc'
packages='golang-go golang-gopkg-lxc-go-lxc.v2-dev golang-golang-x-sys-dev pkg-config gcc libc6-dev busybox-static liblxc1'
version() { echo "$(dpkg-query -W -f '${Version}' golang-gopkg-lxc-go-lxc.v2-dev), liblxc1 $(dpkg-query -W -f '${Version}' liblxc1)"; }
# What its tests call their containers.
WORLD_NAMES='@(tc-*|lorem*|ipsum*|consectetur*|adipiscing*|+([0-9]))'
CLIENTS_SECONDS=900

prepare() {
    local dir=$CLIENTS_CACHE/go-lxc
    export GO_LXC=$dir
    if command -v cargo >/dev/null; then
        packaging/install --profile debug --prefix "$dir/own" --library >"$log" 2>&1 || { skipped="cannot be built: $(tail -1 "$log")"; return; }
    fi
    [ -e "$dir/own/lib/liblxc.so.1" ] || { skipped='the library is not built, and there is no cargo here'; return; }
    # What its tests download is made of busybox here.
    WORLD_LAYER=$dir/layer
    mkdir -p "$dir/layer/share/lxc/templates"
    cat >"$dir/layer/share/lxc/templates/lxc-download" <<'END'
#!/bin/bash
for word; do
    case $word in --path=* | --name=* | --rootfs=* | --mapped-?id*) own+=("$word") ;; esac
done
exec "${0%/*}/lxc-busybox" "${own[@]}"
END
    chmod 755 "$dir/layer/share/lxc/templates/lxc-download"
    local -x GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$dir/cache PKG_CONFIG_PATH=$dir/own/lib/pkgconfig
    command -v go >/dev/null || return 0
    { go test -c -o "$dir/tests" gopkg.in/lxc/go-lxc.v2 && go build -o "$dir/many" tests/clients/go-lxc.go; } >"$log" 2>&1 ||
        skipped="cannot be compiled: $(tail -1 "$log")"
}

client() {
    local whose name own=$GO_LXC/own/lib
    for whose in debian ours; do
        [ $whose = debian ] && unset LD_LIBRARY_PATH || export LD_LIBRARY_PATH=$own
        timeout 300 "$GO_LXC/tests" -test.v >/home/run/$whose.log 2>&1
        grep -E '^--- ' /home/run/$whose.log | sed 's/ (.*//' >/home/run/$whose
        for name in $(ls /var/lib/lxc); do lxc-destroy -f -s -n "$name" >/dev/null 2>&1; done
    done
    diff /home/run/debian /home/run/ours | grep '^[<>]' >/home/run/differences
    [ -z "${GO_LXC_LOGS:-}" ] || cp /home/run/*.log "$GO_LXC_LOGS"
    same 'results over Debian'"'"'s library (<) and over ours (>)' "$(grep -v '^#' tests/clients/go-lxc.differences)" "$(cat /home/run/differences)"
    [ "$(grep -c '^--- PASS' /home/run/ours)" -gt 60 ] || fail "few of its tests pass: $(grep -c '^--- PASS' /home/run/ours)"
    unset LD_LIBRARY_PATH
    small tc-go 'lxc.net.0.type = empty'
    LD_LIBRARY_PATH=$own code 0 timeout 300 "$GO_LXC/many" tc-go "${GO_LXC_COUNT:-8}" "${GO_LXC_ROUNDS:-2}"
    same 'what changed in the program' unchanged "$(tail -1 "$RUN/out")"
    code 0 lxc-destroy -n tc-go
}
