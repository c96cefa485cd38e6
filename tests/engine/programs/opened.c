/*
 * A program for choice.py: opens the library given by its path, as plugins and
 * bindings do, goes to another folder if one is given, makes a ring and prints which
 * engine served it.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include <liburing.h>
#include <liburing/ext.h>

int main(int count, char **words)
{
	void *library = count > 1 ? dlopen(words[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	__typeof__(&io_uring_queue_init) init;
	__typeof__(&io_uring_register) call;
	struct io_uring ring;
	int reason = 0, ret;

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	init = (__typeof__(init)) dlsym(library, "io_uring_queue_init");
	call = (__typeof__(call)) dlsym(library, "io_uring_register");
	if (!init || !call || (count > 2 && chdir(words[2])))
		return 1;
	ret = init(4, &ring, 0);
	if (ret < 0)
		printf("error %d\n", -ret);
	else if (call((unsigned int) ring.enter_ring_fd, ANYRING_REGISTER_SERVED, &reason, 1) ==
		 ANYRING_ENGINE_USERSPACE)
		printf("userspace %d\n", reason);
	else
		printf("kernel\n");
	return 0;
}
