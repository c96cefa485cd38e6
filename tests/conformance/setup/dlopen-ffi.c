/* The hot path through symbols found at run time, as language bindings use it. */
#include "one.h"

#include <dlfcn.h>

int main(void)
{
	void *handle = dlopen("liburing-ffi.so.2", RTLD_NOW);
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	int i;

	if (!handle)
		SKIP("no ffi library on the search path: %s", dlerror());
#define SYMBOL(result, name, ...) \
	result (*f_##name)(__VA_ARGS__) = (result (*)(__VA_ARGS__)) dlsym(handle, #name); \
	CHECK(f_##name != NULL)
	SYMBOL(int, io_uring_queue_init, unsigned, struct io_uring *, unsigned);
	SYMBOL(struct io_uring_sqe *, io_uring_get_sqe, struct io_uring *);
	SYMBOL(void, io_uring_prep_nop, struct io_uring_sqe *);
	SYMBOL(void, io_uring_sqe_set_data64, struct io_uring_sqe *, __u64);
	SYMBOL(int, io_uring_submit_and_wait, struct io_uring *, unsigned);
	SYMBOL(int, io_uring_wait_cqe, struct io_uring *, struct io_uring_cqe **);
	SYMBOL(int, io_uring_peek_cqe, struct io_uring *, struct io_uring_cqe **);
	SYMBOL(void, io_uring_cqe_seen, struct io_uring *, struct io_uring_cqe *);
	SYMBOL(__u64, io_uring_cqe_get_data64, const struct io_uring_cqe *);
	SYMBOL(void, io_uring_queue_exit, struct io_uring *);
	need_io_uring();
	CHECK_EQ(f_io_uring_queue_init(4, &ring, 0), 0);
	for (i = 0; i < 10; i++) {
		struct io_uring_sqe *sqe = f_io_uring_get_sqe(&ring);

		CHECK(sqe != NULL);
		f_io_uring_prep_nop(sqe);
		f_io_uring_sqe_set_data64(sqe, 7);
		CHECK_EQ(f_io_uring_submit_and_wait(&ring, 1), 1);
		CHECK_EQ(f_io_uring_wait_cqe(&ring, &cqe), 0);
		CHECK_EQ(f_io_uring_cqe_get_data64(cqe), 7);
		f_io_uring_cqe_seen(&ring, cqe);
		CHECK_EQ(f_io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
	}
	f_io_uring_queue_exit(&ring);
	dlclose(handle);
	return 0;
}
