# Forwards of ordinary users: the monitor's process that relays, and the tool that does.

test_forward_of_a_users_configuration() {
    no_user_tools && return
    user_world '
        as_user lxc-start -n t-own
        as_user "lxc-attach -n t-own -- busybox httpd -p 127.0.0.1:80 -h /etc" >/dev/null
        # Each of 200 connections, half of them at once, gets the whole file.
        head -c 300000 /dev/urandom >$run/lxc/noise
        as_user "lxc-attach -n t-own -- sh -c \"cat >/etc/noise\"" <$run/lxc/noise
        get() { python3 - "$@" <<"PY"
import hashlib, sys, threading, urllib.request
wanted = hashlib.sha256(open(sys.argv[1], "rb").read()).digest()
good = []
def get(url):
    with urllib.request.urlopen(url + "/noise", timeout=20) as answer:
        good.append(hashlib.sha256(answer.read()).digest() == wanted)
for url in sys.argv[2:]:
    threads = [threading.Thread(target=get, args=(url,)) for _ in range(100)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(good.count(True), "of", len(good))
PY
        }
        get $run/lxc/noise http://127.0.0.1:8080 http://[::1]:8080
        relay=$(pgrep -u t-user -f "^.lxc forward. .* t-own")
        grep -h "^Cap\(Eff\|Prm\|Inh\|Amb\)\|^NoNew" /proc/$relay/status | tr -d "\n\t"; echo
        # Who is not there inside is not there outside; who stays longer than it should keeps nobody away.
        python3 -c "
import socket
late = [socket.create_connection((\"127.0.0.1\", 8080)) for _ in range(300)]
try: print(\"refused\" if not socket.create_connection((\"127.0.0.1\", 8081), 5).recv(1) else \"served\")
except ConnectionError: print(\"refused\")
"
        get $run/lxc/noise http://127.0.0.1:8080
        as_user lxc-info -n t-own | sed -n "s/Forward: *//p"
        as_user lxc-start -n t-own2 2>&1 | grep -o "listens on tcp port 8080 of the host" || true
        # Killed: it, then the monitor, then init. Nobody listens afterwards.
        kill -9 $relay
        as_user lxc-stop -k -n t-own
        as_user lxc-start -n t-own
        kill -9 $(pgrep -u t-user -f "^.lxc monitor. .* t-own")
        until ! pgrep -u t-user -f "^.lxc forward. " >/dev/null; do sleep 0.1; done
        as_user lxc-start -n t-own
        as_user lxc-stop -r -n t-own
        pgrep -u t-user -c -f "^.lxc forward. "
        as_user lxc-stop -k -n t-own
        echo "left $(ss -Hltn "sport = :8080")$(gone)"' \
        'lxc.net.0.forward = 8080->80' 'lxc.net.0.forward = tcp:127.0.0.1:8081->81' >"$RUN/out" 2>"$RUN/err" ||
        fail "exit code $?: $(tail -3 "$RUN/err")"
    same 'what they saw' "200 of 200|CapInh:0000000000000000CapPrm:0000000000000000CapEff:0000000000000000CapAmb:0000000000000000\
NoNewPrivs:1|refused|100 of 100|tcp:8080->80|tcp:127.0.0.1:8081->81|1|left " "$(paste -sd '|' "$RUN/out")"
}

test_forward_tool_of_a_user() {
    no_user_tools && return
    user_world '
        try() { as_user "$@" 2>&1 | sed "s/^lxc-[a-z]*: //"; }
        try lxc-rs forward t-own 8080:80 | head -1
        as_user lxc-start -n t-own
        # It listens when it goes to the background.
        as_user "lxc-attach -n t-own -- sh -c \"echo hello >/etc/hello; busybox httpd -p 80 -h /etc\"" >/dev/null
        try lxc-rs forward t-own udp:8080:80 | head -1
        try lxc-rs forward t-own 80:80 | head -1
        as_user "exec lxc-rs forward t-own 8080:80" &
        for _ in $(seq 50); do [ -z "$(ss -Hltn "sport = :8080")" ] || break; sleep 0.1; done
        busybox wget -q -O - http://127.0.0.1:8080/hello
        try lxc-rs forward t-own 8080:80 | head -1 | sed "s/(.*)/(PID)/"
        as_user lxc-stop -r -n t-own
        as_user "lxc-attach -n t-own -- busybox httpd -p 80 -h /etc" >/dev/null
        busybox wget -q -O - http://127.0.0.1:8080/hello
        as_user lxc-stop -k -n t-own
        wait $! && echo "ended with the container"
        # Killed, it leaves nobody.
        as_user lxc-start -n t-own
        as_user "exec lxc-rs forward t-own 8080:80" &
        for _ in $(seq 50); do [ -z "$(ss -Hltn "sport = :8080")" ] || break; sleep 0.1; done
        kill -9 $(pgrep -u t-user -o -f "^lxc-rs forward")
        for _ in $(seq 50); do [ -n "$(ss -Hltn "sport = :8080")" ] || break; sleep 0.1; done
        as_user lxc-stop -k -n t-own
        echo "left $(ss -Hltn "sport = :8080")$(gone)"' >"$RUN/out" 2>"$RUN/err" ||
        fail "exit code $?: $(tail -3 "$RUN/err")"
    same 'what they saw' "t-own is not running|udp:8080->80: an ordinary user's container gets TCP ports only|cannot listen on tcp port 80 of the \
host: EACCES (Permission denied)|hello|lxc-rs (PID) listens on tcp port 8080 of the host|hello|ended with the container|left " "$(paste -sd '|' "$RUN/out")"
}
