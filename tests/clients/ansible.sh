# Ansible's module community.general.lxc_container, over Debian's liblxc, on a container that lxc-start started.
packages='ansible-core python3-lxc busybox-static'
version() { echo "$(dpkg-query -W -f '${Version}' ansible-core), its collections $(sed -n 's/^Version: //p' "$CLIENTS_CACHE/ansible/control")"; }

# Of Debian's package of all collections only this one: it has some 250 MB unpacked.
prepare() {
    unpacked ansible '*/ansible_collections/community/general/plugins/module*/*' \
        '*/ansible_collections/community/general/meta/*' '*/ansible_collections/community/general/MANIFEST.json'
}

lxc_container() { # NAME=VALUE...: what the module says of the container
    ansible localhost --one-line -m community.general.lxc_container -a "$*" >"$RUN/ansible" 2>"$RUN/ansible.err" ||
        fail "$*: $(cat "$RUN/ansible" "$RUN/ansible.err")"
}
says_of() { # WANTED: "changed" or not, and the container's state
    local got
    got=$(grep -o '"changed": [a-z]*\|"state": "[a-z]*"' "$RUN/ansible" | sed 's/.*: //' | xargs)
    same 'changed, state' "$1" "$got"
}

client() {
    export ANSIBLE_COLLECTIONS_PATH=$CLIENTS_CACHE/ansible/root/usr/lib/python3/dist-packages ANSIBLE_LOCALHOST_WARNING=False \
        ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3 ANSIBLE_HOME=$HOME/ansible ANSIBLE_LOCAL_TEMP=$HOME/ansible/tmp
    local pid
    large tc-ansible
    up tc-ansible
    pid=$(lxc-info -n tc-ansible -pH)
    lxc_container name=tc-ansible state=started
    says_of 'false running'
    lxc_container name=tc-ansible state=started "container_command='echo \$container \$(hostname) >/root/made'"
    says_of 'true running'
    same 'its command' 'lxc tc-ansible' "$(cat /var/lib/lxc/tc-ansible/rootfs/root/made)"
    lxc_container name=tc-ansible state=frozen
    says_of 'true frozen'
    same 'frozen' FROZEN "$(state tc-ansible)"
    lxc_container name=tc-ansible state=started
    says_of 'true running'
    same 'still that of lxc-start' "$pid" "$(lxc-info -n tc-ansible -pH)"
    lxc_container name=tc-ansible state=stopped
    says_of 'true stopped'
    same 'stopped' STOPPED "$(state tc-ansible)"
    lxc_container name=tc-ansible state=stopped clone_name=tc-cloned
    same 'clone' 'tc-ansible tc-cloned' "$(lxc-ls -1 | xargs)"
    lxc_container name=tc-new template=busybox state=stopped
    says_of 'true stopped'
    up tc-new
    lxc_container name=tc-new state=absent
    lxc-destroy -n tc-cloned
    lxc_container name=tc-ansible state=absent
}
