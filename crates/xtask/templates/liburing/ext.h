/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef LIBURING_EXT_H
#define LIBURING_EXT_H

/*
 * Extensions of this implementation: choosing and asking for the engine that
 * serves rings. They add no symbol: they are register calls without a ring, which
 * another liburing hands to the kernel, and that answers -EINVAL. So a program may
 * call them wherever it runs. docs/engine.md says what the engines are.
 */
#include "../liburing.h"

#ifdef __cplusplus
#pragma GCC diagnostic push
/* This is C. g++ allows it in extern "C", clang++ only when asked. */
#pragma GCC diagnostic ignored "-Wold-style-cast"
#if defined(__clang__)
#pragma GCC diagnostic ignored "-Wzero-as-null-pointer-constant"
#endif
extern "C" {
#endif

/* Who serves rings, and who is asked to. */
enum anyring_engine {
	/* Leave the choice to ANYRING_ENGINE and the built-in default. */
	ANYRING_ENGINE_DEFAULT = 0,
	/* The kernel and nothing else. */
	ANYRING_ENGINE_KERNEL = 1,
	/* The kernel where setup allows it, otherwise user space. */
	ANYRING_ENGINE_AUTO = 2,
	/* User space; no io_uring call is made. */
	ANYRING_ENGINE_USERSPACE = 3
};

/* Calls of io_uring_register() that the library answers itself. */
#define ANYRING_REGISTER_CHOOSE 0x616e7901U
#define ANYRING_REGISTER_SERVED 0x616e7902U

/*
 * Chooses for the rings made from now on by this process, whatever the environment
 * says. Returns 0, or -EINVAL for another number or on another liburing.
 */
static inline int anyring_choose_engine(enum anyring_engine engine)
{
	return io_uring_register((unsigned int) -1, ANYRING_REGISTER_CHOOSE, NULL,
				 (unsigned int) engine);
}

/*
 * Which engine serves a ring: ANYRING_ENGINE_KERNEL or ANYRING_ENGINE_USERSPACE;
 * -EOWNERDEAD for a ring of the parent process, -EINVAL on another liburing. *reason,
 * unless reason is NULL, becomes the errno of io_uring_setup(2) that brought the ring
 * to user space, 0 if that was chosen (and for the kernel's rings).
 */
static inline int anyring_ring_engine(const struct io_uring *ring, int *reason)
{
	return io_uring_register((unsigned int) ring->enter_ring_fd, ANYRING_REGISTER_SERVED,
				 reason, 1);
}

#ifdef __cplusplus
}
#pragma GCC diagnostic pop
#endif
#endif
