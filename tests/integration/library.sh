# Programs that use the library instead of the commands: tests/library.

# Its containers: t-libone t-libtwo t-libthree t-libfour
test_the_library_leaves_a_program_with_threads_as_it_was() {
    local containers='t-libone t-libtwo t-libthree t-libfour' function
    local program=${CARGO_TARGET_DIR:-target}/debug/library-caller
    if command -v cargo >/dev/null; then
        cargo build --quiet --locked --manifest-path tests/library/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" ||
            fail 'the program cannot be built'
    fi
    [ -x "$program" ] || { skipped="$program is not built, and there is no cargo here"; return; }
    # Mounts that others make meanwhile are no change.
    code 0 timeout 100 nsenter --net="/run/netns/$NETNS" unshare --mount --propagation private "$program" "$LXC" "$STAGE/libexec/lxc/lxc-helper"
    same 'the last line' unchanged "$(tail -1 "$RUN/out")"
    same 'what changed' '' "$(grep -E '^(changed|new after) ' "$RUN/out")"
    same "what is left of $containers" '' "$(ls "$LXC")"
    # None is forgotten.
    for function in $(sed -n 's/^    pub fn \([a-z_]*\).*/\1/p' src/handle.rs); do
        grep -q "^$function: " "$RUN/out" || fail "$function was not called"
    done
}
