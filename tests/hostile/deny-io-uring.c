/*
 * Runs a program with io_uring_setup(2) denied, as containers do it. KILL ends it at
 * any of the three io_uring calls, as some sandboxes do.
 *
 * Usage: deny-io-uring ENOSYS|EPERM|EACCES|EOPNOTSUPP|ENOMEM|EMFILE|KILL PROGRAM [ARGUMENT...]
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SETUP 425
#define REGISTER 427
/* No errno. */
#define KILL 0xffff

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned int value;
	} errors[] = {
		{ "ENOSYS", ENOSYS }, { "EPERM", EPERM }, { "EACCES", EACCES },
		{ "EOPNOTSUPP", EOPNOTSUPP }, { "ENOMEM", ENOMEM }, { "EMFILE", EMFILE },
		{ "KILL", KILL },
	};
	unsigned int error = 0;
	size_t i;

	for (i = 0; argc > 2 && i < sizeof(errors) / sizeof(errors[0]); i++)
		if (!strcmp(argv[1], errors[i].name))
			error = errors[i].value;
	if (!error) {
		fprintf(stderr, "usage: deny-io-uring ENOSYS|EPERM|EACCES|EOPNOTSUPP|ENOMEM|EMFILE|KILL "
			"PROGRAM [ARGUMENT...]\n");
		return 2;
	}

	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SETUP, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, error == KILL ? REGISTER : SETUP, 1, 0),
		BPF_STMT(BPF_RET | BPF_K,
			 error == KILL ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("seccomp");
		return 1;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
