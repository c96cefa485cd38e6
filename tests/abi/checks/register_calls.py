"""Every registration makes the system call that the fact table observed.

A seccomp filter traps io_uring_register(2) with SIGSYS; the handler notes what the
kernel would have been given. The ring is a struct filled by hand.
"""

import re

from common import Context, command, compile_program, facts, functions, link_flags

HEAD = """
#define _GNU_SOURCE
#include <liburing.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static struct { long fd, opcode, arg, nr, calls; unsigned char bytes[128]; } seen;
static size_t copied;
static int wrong;

static void trapped(int number, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *) context)->uc_mcontext.gregs;

	(void) number;
	(void) info;
	seen.fd = regs[REG_RDI];
	seen.opcode = regs[REG_RSI];
	seen.arg = regs[REG_RDX];
	seen.nr = regs[REG_R10];
	seen.calls++;
	if (copied)
		memcpy(seen.bytes, (void *) seen.arg, copied);
	regs[REG_RAX] = 5;
}

static void expect(const char *name, long fd, unsigned opcode, unsigned nr, int result, int want,
		   const char *bytes, unsigned long arg)
{
	char hex[257] = "";
	size_t i;

	for (i = 0; i < copied; i++)
		sprintf(hex + 2 * i, "%02x", seen.bytes[i]);
	if (seen.calls != 1 || (int) seen.fd != fd || (unsigned) seen.opcode != opcode ||
	    (unsigned) seen.nr != nr || result != want || (copied ? strcmp(hex, bytes) : (unsigned long) seen.arg != arg)) {
		wrong++;
		printf("%s: %ld calls, fd %d opcode %u nr %u arg %#lx bytes %s result %d\\n", name, seen.calls,
		       (int) seen.fd, (unsigned) seen.opcode, (unsigned) seen.nr, (unsigned long) seen.arg, hex, result);
	} else {
		printf("%s: ok\\n", name);
	}
	memset(&seen, 0, sizeof(seen));
}
"""

MAIN = """
int main(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_register, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
	struct io_uring ring;
	struct io_uring_buf_reg reg = { .ring_addr = 0x5000, .ring_entries = 8, .bgid = 3, .flags = 1 };

	memset(&ring, 0, sizeof(ring));
	ring.ring_fd = ring.enter_ring_fd = 33;
	ring.features = 0x3ffff;
	(void) reg;
	if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		printf("no seccomp here\\n");
		return 77;
	}
%s
	return wrong != 0;
}
"""


def arguments(trial: str) -> list:
    """The arguments of "(ring, reg{…}, 2)"."""
    inner = re.sub(r"reg\{.*?\}", "&reg", trial.strip()[1:-1])
    return [word.strip() for word in inner.split(",")]


def run(context: Context) -> None:
    table = {f["name"]: f for f in functions()}
    lines, names = [], []
    for call in facts("register-calls")["calls"]:
        observed = call.get("observed")
        if not observed or "trial" not in call:
            continue
        function = table[call["function"]]
        names.append(function["name"])
        words = []
        for word, parameter in zip(arguments(call["trial"]), function["params"]):
            kind = parameter["type"]
            if word == "ring":
                words.append("&ring")
            elif word.startswith("&"):
                words.append(word)
            else:
                words.append(f"({kind}) (uintptr_t) {word}ULL" if kind.endswith("*") else f"({kind}) {word}")
        bytes_ = observed.get("arg_bytes", "")
        fd = -1 if call["fd"] == "-1" else 33
        arg = observed.get("arg", "0x0")
        lines.append(f"\tcopied = {len(bytes_) // 2};")
        lines.append(f"\texpect(\"{function['name']}\", {fd}, {observed['opcode']}, {observed['nr_args']}, "
                     f"{function['name']}({', '.join(words)}), 5, \"{bytes_}\", {arg}UL);")
    source = HEAD + MAIN % "\n".join(lines)
    compiler = context.c[0]
    program, problem = compile_program(context, compiler, "register-calls", source,
                                       ["-std=gnu11", "-w", context.flag()], link_flags(context))
    if problem:
        context.check("register calls", problem)
        return
    done = command(program)
    if done.returncode == 77:
        context.skip("register calls", done.stdout.strip())
        return
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    for name in names:
        got = said.get(name, f"no result; the program ended with {done.returncode}")
        context.check(f"system call of {name}", "" if got == "ok" else got)
    context.check("every call was observed", "" if names and len(set(names)) == len(names) else "some twice or none")
