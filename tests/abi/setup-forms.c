/*
 * Every field of struct io_uring and of the params after each form of setup,
 * one line a form: pointers as offsets into what they lead into, descriptors as
 * names. checks/setup_forms.py compares the lines with its facts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <liburing.h>

enum how { PARAMS, FLAGS, MEM, MMAP };

static unsigned char *memory;
static size_t memory_size;
static struct io_uring ring;

static void where(const char *name, const void *pointer)
{
	const char *at = pointer;
	const char *parts[] = { (char *) memory, ring.sq.ring_ptr, ring.cq.ring_ptr, (char *) ring.sq.sqes };
	const char *names[] = { "mem", "sq", "cq", "sqes" };

	for (int i = 0; i < 4; i++) {
		/* No part of a small ring is as large as this. */
		if (at && parts[i] && at >= parts[i] && at < parts[i] + (i ? 1 << 17 : (int) memory_size)) {
			printf(" %s=%s+%td", name, names[i], at - parts[i]);
			return;
		}
	}
	printf(" %s=%s", name, pointer ? "apart" : "NULL");
}

#define NUMBER(field) printf(" " #field "=%llu", (unsigned long long) ring.field)
#define PARAM(field) printf(" p." #field "=%llu", (unsigned long long) p->field)
#define POINTER(field) where(#field, ring.field)

static void descriptor(const char *name, int fd)
{
	printf(" %s=%s", name, fd == -1 ? "-1" : fd >= 3 ? "fd" : "index");
}

static void all_fields(const struct io_uring_params *p)
{
	POINTER(sq.khead); POINTER(sq.ktail); POINTER(sq.kring_mask); POINTER(sq.kring_entries);
	POINTER(sq.kflags); POINTER(sq.kdropped); POINTER(sq.array);
	printf(" sq.sqes=%s", ring.sq.sqes ? "set" : "NULL");
	NUMBER(sq.sqe_head); NUMBER(sq.sqe_tail); NUMBER(sq.ring_sz);
	printf(" sq.ring_ptr=%s", ring.sq.ring_ptr ? "set" : "NULL");
	NUMBER(sq.ring_mask); NUMBER(sq.ring_entries); NUMBER(sq.sqes_sz); NUMBER(sq.pad);
	POINTER(cq.khead); POINTER(cq.ktail); POINTER(cq.kring_mask); POINTER(cq.kring_entries);
	POINTER(cq.kflags); POINTER(cq.koverflow); POINTER(cq.cqes);
	NUMBER(cq.ring_sz); POINTER(cq.ring_ptr); NUMBER(cq.ring_mask); NUMBER(cq.ring_entries);
	NUMBER(cq.pad[0]); NUMBER(cq.pad[1]);
	NUMBER(flags); descriptor("ring_fd", ring.ring_fd); NUMBER(features);
	descriptor("enter_ring_fd", ring.enter_ring_fd);
	NUMBER(int_flags); NUMBER(pad[0]); NUMBER(pad[1]); NUMBER(pad[2]); NUMBER(pad2);
	PARAM(sq_entries); PARAM(cq_entries); PARAM(flags); PARAM(features);
	PARAM(sq_off.resv1); PARAM(cq_off.resv1);
	where("p.sq_off.user_addr", (void *) (unsigned long) p->sq_off.user_addr);
	where("p.cq_off.user_addr", (void *) (unsigned long) p->cq_off.user_addr);
}

static void form(const char *name, enum how how, unsigned entries, unsigned flags,
		unsigned cq_entries, void *buffer, size_t size)
{
	struct io_uring_params p;
	int result, fd = -1;

	memset(&p, 0, sizeof(p));
	memset(&ring, 0xa5, sizeof(ring));
	if (how == FLAGS)
		memset(&ring, 0x5a, sizeof(ring));
	p.flags = flags;
	p.cq_entries = cq_entries;
	if (memory)
		memset(memory, 0, memory_size);
	switch (how) {
	case PARAMS:
		result = io_uring_queue_init_params(entries, &ring, &p);
		break;
	case FLAGS:
		result = io_uring_queue_init(entries, &ring, flags);
		break;
	case MEM:
		result = io_uring_queue_init_mem(entries, &ring, &p, buffer, size);
		break;
	default:
		fd = result = io_uring_setup(entries, &p);
		if (fd >= 0)
			result = io_uring_queue_mmap(fd, &p, &ring);
	}
	printf("%s: result=%d", name, result);
	if (result >= 0)
		all_fields(&p);
	else
		printf(" p.flags=%u", p.flags);
	printf("\n");
	if (result >= 0)
		io_uring_queue_exit(&ring);
}

int main(void)
{
	static const struct { const char *name; unsigned flags; } flags[] = {
		{ "plain", 0 },
		{ "clamp", IORING_SETUP_CLAMP },
		{ "cqsize", IORING_SETUP_CQSIZE },
		{ "iopoll", IORING_SETUP_IOPOLL },
		{ "sqpoll", IORING_SETUP_SQPOLL },
		{ "disabled", IORING_SETUP_R_DISABLED },
		{ "submit-all", IORING_SETUP_SUBMIT_ALL },
		{ "coop", IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG },
		{ "single", IORING_SETUP_SINGLE_ISSUER },
		{ "defer", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
		{ "sqe128", IORING_SETUP_SQE128 },
		{ "cqe32", IORING_SETUP_CQE32 },
		{ "both-large", IORING_SETUP_SQE128 | IORING_SETUP_CQE32 },
		{ "cqe-mixed", IORING_SETUP_CQE_MIXED },
		{ "no-sqarray", IORING_SETUP_NO_SQARRAY },
		{ "registered-only", IORING_SETUP_REGISTERED_FD_ONLY },
		{ "unknown", 1u << 31 },
	};
	static const unsigned sizes[] = { 1, 16, 64 };
	char name[128];

	memory_size = 1 << 16;
	memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			unsigned entries = sizes[j], set = flags[i].flags;
			unsigned cq = set & IORING_SETUP_CQSIZE ? 2 * entries + 3 : 0;
			void *at = memory;

#define FORM(kind, how, extra, buffer, size) do { \
	snprintf(name, sizeof(name), "%s %s %u", kind, flags[i].name, entries); \
	form(name, how, entries, set | (extra), cq, buffer, size); } while (0)
			FORM("params", PARAMS, 0, NULL, 0);
			FORM("init", FLAGS, 0, NULL, 0);
			FORM("mmap", MMAP, 0, NULL, 0);
			FORM("params+no-mmap", PARAMS, IORING_SETUP_NO_MMAP, NULL, 0);
			FORM("mem NULL", MEM, 0, NULL, 1 << 20);
			FORM("mem NULL+no-mmap", MEM, IORING_SETUP_NO_MMAP, NULL, 1 << 20);
			FORM("mem NULL 0", MEM, 0, NULL, 0);
			FORM("mem NULL 1", MEM, 0, NULL, 1);
			if (entries == 16)
				FORM("mem NULL 4096", MEM, 0, NULL, 4096);
			/* The kernel wants each part contiguous: a page each. */
			if (entries <= 16) {
				FORM("mem", MEM, 0, at, memory_size);
				FORM("mem 8192", MEM, 0, at, 8192);
				FORM("mem 8191", MEM, 0, at, 8191);
				FORM("mem 0", MEM, 0, at, 0);
			}
		}
	}
	/* Sizes that are refused. */
	for (unsigned i = 0; i < 2; i++) {
		unsigned set = i ? IORING_SETUP_NO_MMAP : 0;
		static const unsigned odd[] = { 0, 32769, 65536, ~0u };

		for (unsigned j = 0; j < 4; j++) {
			snprintf(name, sizeof(name), "params odd %u %u", i, odd[j]);
			form(name, PARAMS, odd[j], set, 0, NULL, 0);
			snprintf(name, sizeof(name), "mem NULL odd %u %u", i, odd[j]);
			form(name, MEM, odd[j], set, 0, NULL, 0);
			snprintf(name, sizeof(name), "mem odd %u %u", i, odd[j]);
			form(name, MEM, odd[j], set, 0, memory, memory_size);
		}
		snprintf(name, sizeof(name), "params few completions %u", i);
		form(name, PARAMS, 16, set | IORING_SETUP_CQSIZE, 4, NULL, 0);
		snprintf(name, sizeof(name), "params no completions %u", i);
		form(name, PARAMS, 16, set | IORING_SETUP_CQSIZE, 0, NULL, 0);
	}
	return 0;
}
