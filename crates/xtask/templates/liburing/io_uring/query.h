/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef LIBURING_IO_URING_QUERY_H
#define LIBURING_IO_URING_QUERY_H

#include <linux/types.h>

#ifdef LINUX_IO_URING_QUERY_H
/* The kernel's own header came first and may be older; see io_uring.h. */
@moved_tags liburing/io_uring/query.h io_uring_query_hdr io_uring_query_opcode io_uring_query_zcrx io_uring_query_scq@
@overrides liburing/io_uring/query.h@
#else
#define LINUX_IO_URING_QUERY_H
@constants liburing/io_uring/query.h@
#endif

@structs io_uring_query_hdr io_uring_query_opcode io_uring_query_zcrx io_uring_query_scq@

#endif
