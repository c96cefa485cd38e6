/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef LIBURING_BARRIER_H
#define LIBURING_BARRIER_H

/*
 * Access to words that are shared with the kernel.
 *
 * READ_ONCE and WRITE_ONCE are relaxed: one access, no order. A load with
 * acquire stays before what follows it, a store with release stays behind what
 * precedes it, and the fence orders everything.
 */
#ifdef __cplusplus
#include <atomic>

#if __cplusplus >= 202002L
#define LIBURING_BARRIER_INLINE inline
#else
#define LIBURING_BARRIER_INLINE static inline
#endif

template <typename T, typename V>
LIBURING_BARRIER_INLINE void IO_URING_WRITE_ONCE(T &var, V val) noexcept
{
	__atomic_store_n(&var, static_cast<T>(val), __ATOMIC_RELAXED);
}

template <typename T>
LIBURING_BARRIER_INLINE T IO_URING_READ_ONCE(const T &var) noexcept
{
	return __atomic_load_n(&var, __ATOMIC_RELAXED);
}

template <typename T, typename V>
LIBURING_BARRIER_INLINE void io_uring_smp_store_release(T *p, V v) noexcept
{
	__atomic_store_n(p, static_cast<T>(v), __ATOMIC_RELEASE);
}

template <typename T>
LIBURING_BARRIER_INLINE T io_uring_smp_load_acquire(const T *p) noexcept
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

LIBURING_BARRIER_INLINE void io_uring_smp_mb() noexcept
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#undef LIBURING_BARRIER_INLINE
#else
#include <stdatomic.h>

#define IO_URING_WRITE_ONCE(var, val)					\
	__atomic_store_n(&(var), (val), __ATOMIC_RELAXED)
#define IO_URING_READ_ONCE(var)						\
	__atomic_load_n(&(var), __ATOMIC_RELAXED)
#define io_uring_smp_store_release(p, v)				\
	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define io_uring_smp_load_acquire(p)					\
	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define io_uring_smp_mb()						\
	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

#endif
