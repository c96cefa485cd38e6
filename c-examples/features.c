/*
 * Tells what this kernel's io_uring can do, or exactly why there is none.
 *
 * Usage: features        any kernel. Ends with 3 when io_uring is not available.
 */
#include <liburing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

static const struct {
	unsigned int bit;
	const char *name;
} features[] = {
	{ IORING_FEAT_SINGLE_MMAP, "single-mmap" }, { IORING_FEAT_NODROP, "nodrop" },
	{ IORING_FEAT_SUBMIT_STABLE, "submit-stable" },
	{ IORING_FEAT_RW_CUR_POS, "rw-cur-pos" },
	{ IORING_FEAT_CUR_PERSONALITY, "cur-personality" },
	{ IORING_FEAT_FAST_POLL, "fast-poll" }, { IORING_FEAT_POLL_32BITS, "poll-32bits" },
	{ IORING_FEAT_SQPOLL_NONFIXED, "sqpoll-nonfixed" },
	{ IORING_FEAT_EXT_ARG, "ext-arg" }, { IORING_FEAT_NATIVE_WORKERS, "native-workers" },
	{ IORING_FEAT_RSRC_TAGS, "rsrc-tags" }, { IORING_FEAT_CQE_SKIP, "cqe-skip" },
	{ IORING_FEAT_LINKED_FILE, "linked-file" },
	{ IORING_FEAT_REG_REG_RING, "reg-reg-ring" },
	{ IORING_FEAT_RECVSEND_BUNDLE, "recvsend-bundle" },
	{ IORING_FEAT_MIN_TIMEOUT, "min-timeout" }, { IORING_FEAT_RW_ATTR, "rw-attr" },
	{ IORING_FEAT_NO_IOWAIT, "no-iowait" },
};

/* The first number in a file, or -1. */
static long number_in(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, strlen(key))) {
			value = strtol(line + strlen(key), NULL, 10);
			break;
		}
	}
	if (file)
		fclose(file);
	return value;
}

static void no_memory(void)
{
	struct rlimit limit;
	long long need = (long long) io_uring_memory_size(8, 0);

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		limit.rlim_cur = 0;
	printf("Memory is not to be had. A ring of 8 entries needs %lld bytes;\n", need);
	if (limit.rlim_cur == RLIM_INFINITY)
		printf("memlock is unlimited, so the machine or the container is short of memory.\n");
	else
		printf("memlock allows %llu bytes for all that this user locks. Rings count (but not\n"
		       "from Linux 5.12 to 6.13), those just closed for a moment longer: raise it with\n"
		       "`ulimit -l` or LimitMEMLOCK=, or make smaller or fewer rings.\n",
		       (unsigned long long) limit.rlim_cur);
}

/* Where io_uring is forbidden or missing, a library may have another way. */
static void instead(void)
{
	printf("With anyring as the library, ANYRING_ENGINE=auto in the environment serves rings\n"
	       "in user space here.\n");
}

static int why_not(int error)
{
	long disabled = number_in("/proc/sys/kernel/io_uring_disabled", "");
	long group = number_in("/proc/sys/kernel/io_uring_group", "");
	long seccomp = number_in("/proc/self/status", "Seccomp:");
	struct utsname system;
	int major = 0, minor = 0;

	printf("io_uring is not available: io_uring_setup says %s.\n", strerror(error));
	switch (error) {
	case ENOSYS:
		if (!uname(&system) && sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
		    (major < 5 || (major == 5 && minor < 1))) {
			printf("This is Linux %s; io_uring came with 5.1. A newer kernel is needed.\n",
			       system.release);
		} else if (seccomp > 0) {
			printf("This process runs under a seccomp filter (mode %ld), which answers like that:\n"
			       "allow io_uring_setup, io_uring_enter and io_uring_register in its profile.\n",
			       seccomp);
		} else {
			printf("This kernel (%s) was built without CONFIG_IO_URING, or a sandbox hides it.\n",
			       system.release);
		}
		break;
	case EPERM:
		if (disabled == 2) {
			printf("kernel.io_uring_disabled is 2: off for everybody.\n"
			       "As root: sysctl kernel.io_uring_disabled=0\n");
		} else if (disabled == 1) {
			printf("kernel.io_uring_disabled is 1: only for CAP_SYS_ADMIN and group %ld\n"
			       "(kernel.io_uring_group). Join it, or as root: sysctl kernel.io_uring_disabled=0\n",
			       group);
		} else if (seccomp > 0) {
			printf("kernel.io_uring_disabled is not the reason; a seccomp filter (mode %ld) is.\n"
			       "Container runtimes block io_uring by default: allow io_uring_setup,\n"
			       "io_uring_enter and io_uring_register in the profile.\n", seccomp);
		} else {
			printf("A security policy forbids it.\n");
		}
		break;
	case EACCES:
		printf("A security module or a seccomp filter forbids it; its policy has to allow\n"
		       "io_uring_setup, io_uring_enter and io_uring_register.\n");
		break;
	case EOPNOTSUPP:
		printf("The sandbox this runs in (not the kernel itself) does not offer it.\n");
		break;
	case ENOMEM:
		no_memory();
		break;
	case EMFILE:
	case ENFILE:
		printf("No file descriptor is left: `ulimit -n`, or close some.\n");
		break;
	default:
		printf("That is unexpected here.\n");
	}
	if (error == ENOSYS || error == EPERM || error == EACCES || error == EOPNOTSUPP)
		instead();
	return 3;
}

int main(int argc, char **argv)
{
	struct io_uring_params params;
	struct io_uring_probe *probe;
	struct utsname system;
	struct io_uring ring;
	int op, ret, supported = 0;
	size_t i;

	if (argc != 1) {
		fprintf(stderr, "usage: %s\n", argv[0]);
		return 2;
	}
	memset(&params, 0, sizeof(params));
	ret = io_uring_queue_init_params(8, &ring, &params);
	if (ret < 0)
		return why_not(-ret);
	if (!uname(&system))
		printf("kernel     %s %s %s\n", system.sysname, system.release, system.machine);
	printf("library    %d.%d\n", io_uring_major_version(), io_uring_minor_version());
	printf("features  ");
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (params.features & features[i].bit)
			printf(" %s", features[i].name);
	printf("\n");
	probe = io_uring_get_probe_ring(&ring);
	for (op = 0; probe && op < IORING_OP_LAST; op++)
		supported += io_uring_opcode_supported(probe, op);
	if (probe)
		printf("operations %d of the %d known\n", supported, IORING_OP_LAST);
	else
		printf("operations the kernel cannot be asked (before 5.6)\n");
	printf("index array %s\n", ring.flags & IORING_SETUP_NO_SQARRAY ?
	       "not needed (NO_SQARRAY)" : "used");
	io_uring_free_probe(probe);
	io_uring_queue_exit(&ring);
	return 0;
}
