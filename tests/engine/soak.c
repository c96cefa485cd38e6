/*
 * A soak: threads with rings of their own do random operations on files, names, pipes
 * and sockets, with time limits, cancels and closes in between, and make and destroy
 * rings meanwhile. Every byte is compared with a model in memory. At the end nothing is
 * left of descriptors, threads, mappings and memory.
 *
 * SOAK_SECONDS says how long (5), SOAK_SEED what to begin with. It runs on the kernel
 * as well (ANYRING_ENGINE=kernel), which checks the soak itself.
 */
#include "soak/left.h"
#include "soak/rings.h"

#define WORKERS 3

static struct worker workers[WORKERS];
static struct stream between[WORKERS];
static atomic_ullong churned;

/* ---- workers */

static void step(struct worker *w, struct ring *ring)
{
	struct objects *o = w->objects;

	switch (below(w, 24)) {
	case 0 ... 5:
		file_step(w, ring, &o->files[below(w, FILES)]);
		break;
	case 6 ... 13:
		stream_step(w, ring, &o->streams[below(w, STREAMS)]);
		break;
	case 14:
		if (!o->to->sending)
			stream_send(w, ring, o->to);
		break;
	case 15:
		if (!o->from->receiving)
			stream_receive(w, ring, o->from);
		break;
	case 16:
		timer_step(w, ring, &o->timers[below(w, TIMERS)]);
		break;
	case 17:
		bell_step(w, ring, &o->bell);
		break;
	case 18:
		lock_step(w, ring, &o->lock);
		break;
	case 19:
		chain_step(w, ring, &o->chain);
		break;
	case 20:
		message(w, ring);
		break;
	case 21:
		names_step(w, ring, &o->names);
		break;
	default:
		cancel_one(w, ring);
		break;
	}
}

static void episode(struct worker *w)
{
	unsigned steps = 1 + below(w, 6000), i;

	for (i = 0; i < RINGS; i++)
		ring_make(w, &w->rings[i]);
	while (steps-- && !soak_over) {
		struct ring *ring = &w->rings[below(w, RINGS)];

		if (ring->count < IN_FLIGHT - 4)
			step(w, ring);
		if (one_in(w, 3))
			submit(ring);
		if (one_in(w, 6))
			reap_ring(w, ring);
		if (one_in(w, 40) || ring->count >= IN_FLIGHT - 4)
			wait_a_bit(ring, (long long) below(w, 300000));
		if (ring->count >= IN_FLIGHT - 4) {
			reap_ring(w, ring);
			cancel_one(w, ring);
		}
	}
	settle(w);
	for (i = 0; i < RINGS; i++)
		ring_destroy(&w->rings[i]);
}

static void *work(void *argument)
{
	struct worker *w = argument;
	struct objects *o = w->objects;
	int i;

	for (i = 0; i < FILES; i++)
		file_open(w, &o->files[i], i);
	for (i = 0; i < NAMES; i++)
		snprintf(o->names.path[i], sizeof(o->names.path[i]), "name-%d-%d", w->number, i);
	for (i = 0; i < STREAMS; i++) {
		o->streams[i].kind = (enum stream_kind) (i % 3);
		o->streams[i].reader = o->streams[i].writer = o->streams[i].listener = -1;
	}
	o->bell.fd = eventfd(0, EFD_CLOEXEC);
	CHECK(o->bell.fd >= 0);
	while (!soak_over)
		episode(w);
	for (i = 0; i < FILES; i++)
		if (o->files[i].fd >= 0)
			close(o->files[i].fd);
	for (i = 0; i < STREAMS; i++)
		stream_close(&o->streams[i]);
	close(o->bell.fd);
	for (i = 0; i < NAMES; i++)
		CHECK_EQ(rmdir(o->names.path[i]), o->names.there[i] ? 0 : -1);
	return NULL;
}

/* Makes rings and destroys them with requests in flight. */
static void *churn(void *argument)
{
	struct __kernel_timespec late = { .tv_sec = 1000 };
	struct worker w = { .random = soak_seed ^ 77 };
	/* Written to by nobody. */
	static char byte[4];
	int ends[2], pair[2];

	(void) argument;
	CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	while (!soak_over) {
		struct io_uring ring;
		int ret = io_uring_queue_init(1u << below(&w, 8), &ring, some_kind(&w));
		int count = (int) below(&w, 8);

		if (ret)
			wrong(NULL, "a ring: %s", strerror(-ret));
		while (count--) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			if (!sqe)
				break;
			switch (below(&w, 6)) {
			case 0:
				io_uring_prep_read(sqe, ends[0], byte, 1, 0);
				break;
			case 1:
				io_uring_prep_recv(sqe, pair[0], byte, 1, 0);
				break;
			case 2:
				io_uring_prep_timeout(sqe, &late, 0, 0);
				break;
			case 3:
				io_uring_prep_poll_multishot(sqe, pair[1], POLLIN);
				break;
			case 4:
				io_uring_prep_read(sqe, ends[0], byte, 1, 0);
				sqe->flags |= IOSQE_ASYNC;
				break;
			default:
				io_uring_prep_nop(sqe);
				break;
			}
		}
		io_uring_submit(&ring);
		io_uring_queue_exit(&ring);
		churned++;
		usleep(below(&w, 3000));
	}
	close_both(ends);
	close_both(pair);
	return NULL;
}

/* ---- the whole */

static void check_mail(void)
{
	uint64_t count = 0, sum = 0;
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&mailbox.uring, &cqe)) {
		count++;
		sum += (unsigned) cqe->res;
		io_uring_cqe_seen(&mailbox.uring, cqe);
	}
	mail_count -= count;
	mail_sum -= sum;
}

/* What a thread wrote to the next one and that one did not read any more. */
static void check_between(struct stream *s)
{
	struct worker nobody = { .number = -1 };

	stream_drain(&nobody, s);
	if (s->received != s->sent)
		wrong(NULL, "%llu bytes of %llu between threads", (unsigned long long) s->received,
		      (unsigned long long) s->sent);
	stream_close(s);
}

static void run(long long ns)
{
	long long end = now_ns() + ns;
	pthread_t churner;
	struct worker *w;
	int i;

	soak_over = false;
	mail_count = mail_sum = 0;
	CHECK_EQ(io_uring_queue_init(64, &mailbox.uring, 0), 0);
	for (i = 0; i < WORKERS; i++) {
		int pair[2];

		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		between[i] = (struct stream) { .kind = UNIX, .state = OPEN, .seed = soak_seed + i,
					       .reader = pair[0], .writer = pair[1],
					       .listener = -1, .shared = true };
	}
	for (i = 0; i < WORKERS; i++) {
		w = &workers[i];
		w->number = i;
		w->random = soak_seed * 1000003 + (unsigned) i;
		w->objects = calloc(1, sizeof(*w->objects));
		CHECK(w->objects != NULL);
		w->objects->to = &between[i];
		w->objects->from = &between[(i + 1) % WORKERS];
		w->objects->lock.word = calloc(1, 64);
		CHECK(w->objects->lock.word != NULL);
		struct io_uring_probe *probe = io_uring_get_probe();

		w->objects->lock.able = io_uring_opcode_supported(probe, IORING_OP_FUTEX_WAIT);
		io_uring_free_probe(probe);
		CHECK_EQ(pthread_create(&w->thread, NULL, work, w), 0);
	}
	CHECK_EQ(pthread_create(&churner, NULL, churn, NULL), 0);
	while (now_ns() < end) {
		wait_a_bit(&mailbox, 20000000);
		check_mail();
	}
	soak_over = true;
	for (i = 0; i < WORKERS; i++)
		CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
	CHECK_EQ(pthread_join(churner, NULL), 0);
	for (i = 0; i < 100 && mail_count; i++) {
		wait_a_bit(&mailbox, 20000000);
		check_mail();
	}
	if (mail_count || mail_sum)
		wrong(NULL, "%lld messages are missing", (long long) mail_count);
	io_uring_queue_exit(&mailbox.uring);
	for (i = 0; i < WORKERS; i++) {
		check_between(&between[i]);
		free(workers[i].objects->lock.word);
		free(workers[i].objects);
	}
}

int main(void)
{
	const char *seconds = getenv("SOAK_SECONDS"), *seed = getenv("SOAK_SEED");
	double time = seconds && *seconds ? atof(seconds) : 5;
	struct left before, after;
	struct io_uring ring;
	struct worker all = { 0 };
	int i;

	alarm((unsigned) time + 90);
	signal(SIGPIPE, SIG_IGN);
	soak_seed = seed && *seed ? strtoull(seed, NULL, 0) : (uint64_t) now_ns() % 1000000007;
	/* Every other run with completions in another legal order. */
	if (soak_seed % 2) {
		char text[32];

		snprintf(text, sizeof(text), "%llu", (unsigned long long) soak_seed + 2);
		CHECK_EQ(setenv("ANYRING_ENGINE_SEED", text, 0), 0);
	}
	enter_folder();
	must_init(4, &ring, 0);
	on_engine = anyring_ring_engine(&ring, NULL) == ANYRING_ENGINE_USERSPACE;
	io_uring_queue_exit(&ring);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %llu, on %s\n", (unsigned long long) soak_seed,
	       on_engine ? "the userspace engine" : "the kernel");
	/* The first fifth fills whatever is kept for good. */
	run((long long) (time * 2e8));
	before = look_later();
	run((long long) (time * 8e8));
	nothing_left(before, &after);
	for (i = 0; i < WORKERS; i++) {
		all.operations += workers[i].operations;
		all.completions += workers[i].completions;
		all.cancelled += workers[i].cancelled;
		all.bytes += workers[i].bytes;
		all.rings_made += workers[i].rings_made;
		all.overflows += workers[i].overflows;
	}
	printf("%g s: %llu operations, %llu completions, %llu ended early, %llu MB compared, "
	       "%llu rings, %llu with requests in flight at their end\n", time,
	       (unsigned long long) all.operations, (unsigned long long) all.completions,
	       (unsigned long long) all.cancelled, (unsigned long long) all.bytes >> 20,
	       (unsigned long long) all.rings_made + churned, (unsigned long long) churned);
	printf("left: %d descriptors, %d threads, %d mappings, %ld KiB\n",
	       after.fds - before.fds, after.threads - 1, after.mappings - before.mappings,
	       (after.pages - before.pages) * 4);
	CHECK(all.operations > 100 && all.cancelled > 0);
	return 0;
}
