/* What the seccomp filters of this process do with each system call, by trying it:
 *
 *     calls [VALUE]...     calls 0 to 550 of x86-64, i386 and x32, each with all arguments VALUE (0)
 *
 * Prints a line for each call that is not allowed: the architecture, the number, the value, and what
 * happened. Nothing is ever executed: a filter on top returns SECCOMP_RET_TRACE, which without a tracer is
 * ENOSYS. It gives way to whatever is stricter, so that this is seen instead. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST 550
#define X32 0x40000000
#define TRAPPED 1000000
#define MOST 16

static long call64(long number, long value)
{
    long result;
    register long r10 __asm__("r10") = value;
    register long r8 __asm__("r8") = value;
    register long r9 __asm__("r9") = value;
    __asm__ volatile("syscall" : "=a"(result)
                     : "a"(number), "D"(value), "S"(value), "d"(value), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static long call32(long number, long value)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result)
                     : "a"((int)number), "b"((int)value), "c"((int)value), "d"((int)value), "S"((int)value),
                       "D"((int)value)
                     : "r8", "r9", "r10", "r11", "memory");
    return result;
}

/* Shared with the parent, which the child cannot tell by any call: the result, or what its handler saw. */
static volatile long *told;

static void trapped(int signal)
{
    (void)signal;
    *told = TRAPPED;
    __builtin_trap();
}

static void trace(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
    };
    struct sock_fprog filter = { sizeof program / sizeof *program, program };
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)) {
        perror("seccomp");
        _exit(1);
    }
}

int main(int argc, char **argv)
{
    static const char *const architectures[] = { "x86_64", "i386", "x32" };
    long values[MOST] = { 0 };
    int count = argc > MOST ? MOST : argc > 1 ? argc - 1 : 1;
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED) return 1;
    for (int i = 1; i < argc && i <= MOST; i++) values[i - 1] = (long)strtoul(argv[i], NULL, 0);
    for (int arch = 0; arch < 3; arch++) {
        for (int value = 0; value < count; value++) {
            for (long number = 0; number <= LAST; number++) {
                *told = 0;
                pid_t child = fork();
                if (child < 0) return 1;
                if (child == 0) {
                    signal(SIGSYS, trapped);
                    trace();
                    long result = arch == 1 ? call32(number, values[value])
                                            : call64(arch == 2 ? number | X32 : number, values[value]);
                    *told = result == 0 ? 1 : result;
                    __builtin_trap();
                }
                int status;
                if (waitpid(child, &status, 0) != child) return 1;
                const char *name = architectures[arch];
                if (*told == -ENOSYS) continue;
                printf("%s %ld %#lx ", name, number, values[value]);
                if (*told == TRAPPED) printf("trap\n");
                else if (*told != 0) printf("errno %ld\n", -*told);
                else if (WIFSIGNALED(status)) printf("signal %d\n", WTERMSIG(status));
                else printf("exit %d\n", WEXITSTATUS(status));
            }
        }
    }
    return 0;
}
