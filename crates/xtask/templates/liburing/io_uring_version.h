/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef LIBURING_VERSION_H
#define LIBURING_VERSION_H

/* The version of liburing that this library matches. */
@version@

#endif
