# Debian's go-lxc (cgo), compiled with our headers, over Debian's liblxc.so.1 and over ours: its own tests have the same
# results, but for those in go-lxc.differences; and many goroutines at once (go-lxc.go).
#
#   GO_LXC_ROUNDS=20   how many rounds of lives go-lxc.go has (2), GO_LXC_COUNT its containers (50)
#   GO_LXC_LOGS=DIR    what its tests say goes there
# shellcheck disable=SC2154 # set by tests/clients/run
packages='golang-go golang-gopkg-lxc-go-lxc.v2-dev golang-golang-x-sys-dev pkg-config gcc libc6-dev busybox-static liblxc1 dnsmasq-base'
version() { echo "$(dpkg-query -W -f '${Version}' golang-gopkg-lxc-go-lxc.v2-dev), liblxc1 $(dpkg-query -W -f '${Version}' liblxc1)"; }
# What its tests call their containers.
WORLD_NAMES='@(tc-*|lorem*|ipsum*|consectetur*|adipiscing*|+([0-9]))'
CLIENTS_SECONDS=${GO_LXC_SECONDS:-900}

prepare() {
    local dir=$CLIENTS_CACHE/go-lxc
    export GO_LXC=$dir
    if command -v cargo >/dev/null; then
        packaging/install --profile debug --prefix "$dir/own" --library >"$log" 2>&1 || { skipped="cannot be built: $(tail -1 "$log")"; return; }
    fi
    [ -e "$dir/own/lib/liblxc.so.1" ] || { skipped='the library is not built, and there is no cargo here'; return; }
    # What its tests download is made of busybox here.
    mkdir -p "$dir/templates"
    cp "$dir/own/share/lxc/templates/lxc-busybox" "$dir/templates"
    cat >"$dir/templates/lxc-download" <<'END'
#!/bin/bash
for word; do
    case $word in --path=* | --name=* | --rootfs=* | --mapped-?id*) own+=("$word") ;; esac
done
exec "${0%/*}/lxc-busybox" "${own[@]}"
END
    chmod 755 "$dir/templates/lxc-download"
    local -x GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$dir/cache PKG_CONFIG_PATH=$dir/own/lib/pkgconfig
    command -v go >/dev/null || return 0
    { go test -c -o "$dir/tests" gopkg.in/lxc/go-lxc.v2 && go build -o "$dir/many" tests/clients/go-lxc.go; } >"$log" 2>&1 ||
        skipped="cannot be compiled: $(tail -1 "$log")"
}

# Runs its tests in their order, in two processes: what follows the one that reboots the container wants a container
# that has rebooted, and that one does not wait for it. The new init does not know its signals at once.
its_tests() { # LOG
    local all first rest
    all=$("$GO_LXC/tests" -test.list . | grep '^Test')
    first=$(sed '/^TestReboot$/q' <<<"$all" | paste -sd '|')
    rest=$(sed '1,/^TestReboot$/d' <<<"$all" | paste -sd '|')
    timeout 300 "$GO_LXC/tests" -test.v -test.run "^($first)\$" >"$1" 2>&1
    sleep 3
    timeout 300 "$GO_LXC/tests" -test.v -test.run "^($rest)\$" >>"$1" 2>&1
}

client() {
    local whose name server own=$GO_LXC/own/lib
    mount --bind "$GO_LXC/templates" /usr/share/lxc/templates
    mount --bind "$GO_LXC/templates" "$GO_LXC/own/share/lxc/templates"
    # They wait for addresses.
    dnsmasq --port=0 --bind-interfaces --interface=lxcbr0 --except-interface=lo --dhcp-range=10.0.3.10,10.0.3.200 \
        --dhcp-leasefile=/home/run/leases --pid-file=/home/run/dnsmasq.pid --conf-file=/dev/null || fail 'no DHCP server'
    server=$(cat /home/run/dnsmasq.pid)
    for whose in debian ours; do
        [ $whose = debian ] && unset LD_LIBRARY_PATH || export LD_LIBRARY_PATH=$own
        its_tests /home/run/$whose.log
        grep -E '^--- ' /home/run/$whose.log | sed 's/ (.*//' >/home/run/$whose
        for name in $(ls /var/lib/lxc); do lxc-destroy -f -s -n "$name" >/dev/null 2>&1; done
    done
    kill "$server"
    diff /home/run/debian /home/run/ours | grep '^[<>]' >/home/run/differences
    [ -z "${GO_LXC_LOGS:-}" ] || cp /home/run/*.log "$GO_LXC_LOGS"
    same 'results over Debian'"'"'s library (<) and over ours (>)' "$(grep -v '^#' tests/clients/go-lxc.differences)" "$(cat /home/run/differences)"
    [ "$(grep -c '^--- PASS' /home/run/ours)" -gt 70 ] || fail "few of its tests pass: $(grep -c '^--- PASS' /home/run/ours)"
    unset LD_LIBRARY_PATH
    small tc-go 'lxc.net.0.type = empty'
    LD_LIBRARY_PATH=$own code 0 timeout "${GO_LXC_SECONDS:-900}" "$GO_LXC/many" tc-go "${GO_LXC_COUNT:-50}" "${GO_LXC_ROUNDS:-2}"
    same 'what changed in the program' unchanged "$(tail -1 "$RUN/out")"
    code 0 lxc-destroy -n tc-go
}
