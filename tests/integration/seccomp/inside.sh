#!/bin/sh
# What a process inside a container has, a fact a line: to be compared with what it has under LXC.
PATH=/bin
grep -E '^(Cap...|NoNewPrivs|Seccomp|Groups):' /proc/self/status | tr -s '\t ' ' '
echo "label $(cat /proc/self/attr/current 2>/dev/null)"
echo "uid_map $(tr -s ' ' </proc/self/uid_map | xargs)"
# Without the source's path, which is the test's.
awk '{ for (i = 7; $i != "-"; i++); print "mount", $5, $6, $(i + 1) }' /proc/self/mountinfo | sort
for node in $(find /dev ! -type d ! -path '/dev/pts/*' | sort); do
    stat -c "device $node %F %a %u:%g %t:%T" "$node"
done
# The numbers of keys are everybody's.
awk '{ sub(/:.*/, "", $9); print "key", $8, $9 }' /proc/keys 2>/dev/null | sort -u
for file in /proc/kcore /proc/kallsyms /proc/sysrq-trigger /proc/timer_list /proc/sched_debug /proc/latency_stats /proc/acpi \
    /proc/kpagecount /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hostname \
    /proc/sys/kernel/randomize_va_space /proc/sys/vm/drop_caches /proc/sys/fs/binfmt_misc/register /proc/irq/0/smp_affinity \
    /proc/bus/pci /proc/sys/net/ipv4/ip_forward /sys/kernel/uevent_helper /sys/kernel/debug /sys/kernel/security \
    /sys/power/state /sys/module /sys/fs/cgroup/cgroup.procs /sys/firmware /sys/class/net /sys/devices/virtual/net/lo/mtu; do
    can=
    [ ! -r $file ] || can=r
    [ ! -w $file ] || can=${can}w
    echo "file $file ${can:-none}"
done
