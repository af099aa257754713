# The host's side of lxc-net: the programs it runs, and hosts that lack something.

test_net_runs_the_programs_of_the_system() {
    local program
    mkdir -p "$RUN/fake"
    for program in nft dnsmasq; do
        # shellcheck disable=SC2016
        printf '#!/bin/sh\ntouch "$0.ran"\nexec /usr/sbin/%s "$@"\n' $program >"$RUN/fake/$program"
        chmod 755 "$RUN/fake/$program"
    done
    net_settings
    in_net sysctl -qw net.ipv4.ip_forward=0
    PATH=$RUN/fake:$PATH code 0 net start
    PATH=$RUN/fake:$PATH code 0 net status
    PATH=$RUN/fake:$PATH code 0 net stop
    same 'programs of the PATH of the caller that ran as root' '' "$(ls "$RUN/fake" | grep ran)"
    same left '' "$(net_left)"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}
