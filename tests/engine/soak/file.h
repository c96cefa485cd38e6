/* Files: what is read is what was written last, byte for byte. */
#ifndef SOAK_FILE_H
#define SOAK_FILE_H

#include "base.h"

#define FILE_MAX 65536
#define NAMES 4

struct file {
	char path[64];
	int fd;
	/* The size and the contents it should have. */
	size_t size;
	char model[FILE_MAX];
	int readers;
	/* Something changes it: nothing else runs. */
	int writers;
};

static void file_open(struct worker *w, struct file *f, int number)
{
	snprintf(f->path, sizeof(f->path), "file-%d-%d", w->number, number);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(f->fd >= 0);
}

/* ---- reading */

static void read_done(struct op *op, int res, unsigned flags)
{
	struct file *f = op->object;
	const char *from = op->buffer;
	size_t wanted = op->at >= f->size ? 0 : f->size - op->at;
	unsigned bid = 0;

	f->readers--;
	if (res < 0) {
		if (!(op->extra && res == -ENOBUFS) && !ended_early(op, res))
			wrong(op, "ended with %s", strerror(-res));
		return;
	}
	if (wanted > op->length)
		wanted = op->length;
	if ((size_t) res > wanted || ((size_t) res < wanted && !op->disturbed))
		wrong(op, "%d bytes of %zu", res, wanted);
	if (flags & IORING_CQE_F_BUFFER) {
		bid = taken(op, flags);
		from = op->ring->memory + bid * BUFFER_SIZE;
	}
	if (memcmp(from, f->model + op->at, (size_t) res))
		wrong(op, "other bytes than were written");
	if (flags & IORING_CQE_F_BUFFER)
		give(op->ring, bid);
	op->worker->bytes += (unsigned) res;
}

static void vectors_of(struct op *op)
{
	struct worker *w = op->worker;
	size_t a = below(w, (unsigned) op->length + 1);
	size_t b = below(w, (unsigned) (op->length - a) + 1);

	op->vectors[0] = (struct iovec) { op->buffer, a };
	op->vectors[1] = (struct iovec) { op->buffer + a, b };
	op->vectors[2] = (struct iovec) { op->buffer + a + b, op->length - a - b };
}

static struct op *file_read(struct worker *w, struct ring *ring, struct file *f, unsigned flags)
{
	unsigned kind = below(w, 3);
	struct io_uring_sqe *sqe;
	struct op *op;

	op = op_new(w, ring, "file read", read_done, f,
		    kind == 2 ? BUFFER_SIZE : 1 + below(w, one_in(w, 4) ? FILE_MAX / 2 : 3000));
	op->at = below(w, FILE_MAX - 1);
	f->readers++;
	sqe = entry(ring);
	switch (kind) {
	case 0:
		io_uring_prep_read(sqe, f->fd, op->buffer, (unsigned) op->length, op->at);
		break;
	case 1:
		vectors_of(op);
		io_uring_prep_readv(sqe, f->fd, op->vectors, 3, op->at);
		break;
	case 2:
		op->extra = 1;
		io_uring_prep_read(sqe, f->fd, NULL, BUFFER_SIZE, op->at);
		flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = GROUP;
		break;
	}
	op_mark(op, sqe, flags | (one_in(w, 8) ? IOSQE_ASYNC : 0));
	return op;
}

/* ---- changing */

static void write_done(struct op *op, int res, unsigned flags)
{
	struct file *f = op->object;

	(void) flags;
	f->writers--;
	if (res < 0) {
		if (!ended_early(op, res))
			wrong(op, "ended with %s", strerror(-res));
		return;
	}
	if ((size_t) res > op->length || ((size_t) res < op->length && !op->disturbed))
		wrong(op, "%d bytes", res);
	memcpy(f->model + op->at, op->buffer, (size_t) res);
	if (op->at + (unsigned) res > f->size)
		f->size = op->at + (unsigned) res;
	op->worker->bytes += (unsigned) res;
}

static struct op *file_write(struct worker *w, struct ring *ring, struct file *f, unsigned flags)
{
	struct io_uring_sqe *sqe;
	struct op *op;

	op = op_new(w, ring, "file write", write_done, f,
		    1 + below(w, one_in(w, 4) ? FILE_MAX / 2 : 3000));
	op->at = below(w, (unsigned) (FILE_MAX - op->length));
	fill(op->buffer, op->length, rnd(w), 0);
	f->writers++;
	sqe = entry(ring);
	if (one_in(w, 2)) {
		io_uring_prep_write(sqe, f->fd, op->buffer, (unsigned) op->length, op->at);
	} else {
		vectors_of(op);
		io_uring_prep_writev(sqe, f->fd, op->vectors, 3, op->at);
	}
	op_mark(op, sqe, flags | (one_in(w, 8) ? IOSQE_ASYNC : 0));
	return op;
}

static void resize_done(struct op *op, int res, unsigned flags)
{
	struct file *f = op->object;

	(void) flags;
	f->writers--;
	if (res) {
		if (!ended_early(op, res))
			wrong(op, "ended with %s", strerror(-res));
		return;
	}
	if (op->at < f->size)
		memset(f->model + op->at, 0, f->size - op->at);
	f->size = op->at;
}

static void sync_done(struct op *op, int res, unsigned flags)
{
	struct file *f = op->object;

	(void) flags;
	f->writers--;
	if (res && !ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
}

static void file_sync(struct worker *w, struct ring *ring, struct file *f, unsigned flags)
{
	struct op *op = op_new(w, ring, "fsync", sync_done, f, 0);
	struct io_uring_sqe *sqe = entry(ring);

	f->writers++;
	io_uring_prep_fsync(sqe, f->fd, one_in(w, 2) ? IORING_FSYNC_DATASYNC : 0);
	op->disturbed = true;
	op_mark(op, sqe, flags);
}

static void statx_done(struct op *op, int res, unsigned flags)
{
	struct file *f = op->object;
	struct statx found;

	(void) flags;
	f->writers--;
	if (res) {
		if (!ended_early(op, res))
			wrong(op, "ended with %s", strerror(-res));
		return;
	}
	memcpy(&found, op->buffer, sizeof(found));
	if (found.stx_size != f->size)
		wrong(op, "a size of %llu, not %zu", (unsigned long long) found.stx_size, f->size);
}

/* A write, a sync, and a read that sees what was written. */
static void file_chain(struct worker *w, struct ring *ring, struct file *f)
{
	struct op *op;

	make_room(ring, 3);
	file_write(w, ring, f, IOSQE_IO_LINK);
	file_sync(w, ring, f, IOSQE_IO_LINK);
	op = file_read(w, ring, f, 0);
	op->disturbed = true;
}

static void file_close(struct op *op, int res, unsigned flags)
{
	struct file *f = op->object;

	(void) flags;
	f->writers--;
	if (res == 0)
		f->fd = -1;
	else if (!ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
}

static void file_opened(struct op *op, int res, unsigned flags)
{
	struct file *f = op->object;

	(void) flags;
	f->writers--;
	if (res >= 0)
		f->fd = res;
	else if (!ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
}

static void file_change(struct worker *w, struct ring *ring, struct file *f)
{
	struct io_uring_sqe *sqe;
	struct op *op;

	switch (below(w, 10)) {
	case 0:
		op = op_new(w, ring, "ftruncate", resize_done, f, 0);
		sqe = entry(ring);
		op->at = below(w, FILE_MAX);
		f->writers++;
		io_uring_prep_ftruncate(sqe, f->fd, (loff_t) op->at);
		op_mark(op, sqe, 0);
		break;
	case 1:
		op = op_new(w, ring, "statx", statx_done, f, sizeof(struct statx));
		sqe = entry(ring);
		f->writers++;
		io_uring_prep_statx(sqe, AT_FDCWD, f->path, 0, STATX_SIZE,
				    (struct statx *) op->buffer);
		op_mark(op, sqe, 0);
		break;
	case 2:
		op = op_new(w, ring, "close", file_close, f, 0);
		f->writers++;
		if (one_in(w, 2)) {
			sqe = entry(ring);
			io_uring_prep_close(sqe, f->fd);
			op_mark(op, sqe, 0);
		} else {
			CHECK_EQ(close(f->fd), 0);
			file_close(op, 0, 0);
			op_end(op);
		}
		break;
	case 3:
		file_sync(w, ring, f, 0);
		break;
	case 4:
	case 5:
		file_chain(w, ring, f);
		break;
	default:
		make_room(ring, 2);
		file_write(w, ring, f, 0);
		break;
	}
}

static void file_step(struct worker *w, struct ring *ring, struct file *f)
{
	struct io_uring_sqe *sqe;
	struct op *op;

	if (f->writers)
		return;
	if (f->fd < 0) {
		op = op_new(w, ring, "open", file_opened, f, 0);
		sqe = entry(ring);
		f->writers++;
		io_uring_prep_openat(sqe, AT_FDCWD, f->path, O_RDWR | O_CLOEXEC, 0);
		op_mark(op, sqe, one_in(w, 8) ? IOSQE_ASYNC : 0);
	} else if (f->readers == 0 && one_in(w, 2)) {
		file_change(w, ring, f);
	} else if (f->readers < 4) {
		file_read(w, ring, f, 0);
	}
}

/* ---- names */

struct names {
	char path[NAMES][64];
	bool there[NAMES];
	int busy;
};

static void made(struct op *op, int res, unsigned flags)
{
	struct names *n = op->object;
	bool *there = &n->there[op->at];
	int wanted = *there ? -EEXIST : 0;

	(void) flags;
	n->busy = 0;
	if (res == wanted)
		*there = true;
	else if (!ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
}

static void removed(struct op *op, int res, unsigned flags)
{
	struct names *n = op->object;
	bool *there = &n->there[op->at];
	int wanted = *there ? 0 : -ENOENT;

	(void) flags;
	n->busy = 0;
	if (res == wanted)
		*there = false;
	else if (!ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
}

static void renamed(struct op *op, int res, unsigned flags)
{
	struct names *n = op->object;
	int wanted = n->there[op->at] ? 0 : -ENOENT;

	(void) flags;
	n->busy = 0;
	if (res != wanted) {
		if (!ended_early(op, res))
			wrong(op, "ended with %s", strerror(-res));
	} else if (!res && op->at != (unsigned) op->other) {
		n->there[op->at] = false;
		n->there[op->other] = true;
	}
}

static void names_step(struct worker *w, struct ring *ring, struct names *n)
{
	unsigned at = below(w, NAMES), to = below(w, NAMES);
	struct io_uring_sqe *sqe;
	struct op *op;

	if (n->busy)
		return;
	n->busy = 1;
	switch (below(w, 3)) {
	case 0:
		op = op_new(w, ring, "mkdirat", made, n, 0);
		sqe = entry(ring);
		io_uring_prep_mkdirat(sqe, AT_FDCWD, n->path[at], 0700);
		break;
	case 1:
		op = op_new(w, ring, "unlinkat", removed, n, 0);
		sqe = entry(ring);
		io_uring_prep_unlinkat(sqe, AT_FDCWD, n->path[at], AT_REMOVEDIR);
		break;
	default:
		op = op_new(w, ring, "renameat", renamed, n, 0);
		op->other = (int) to;
		sqe = entry(ring);
		io_uring_prep_renameat(sqe, AT_FDCWD, n->path[at], AT_FDCWD, n->path[to], 0);
		break;
	}
	op->at = at;
	op_mark(op, sqe, 0);
}

#endif
