/* The version that is matched: 2.15, in the library and in the headers. */
#include "one.h"

#if IO_URING_CHECK_VERSION(2, 15)
#error the headers say that they are older than 2.15
#endif
#if !IO_URING_CHECK_VERSION(2, 16) || !IO_URING_CHECK_VERSION(3, 0) || IO_URING_CHECK_VERSION(1, 99)
#error the headers compare versions wrongly
#endif

int main(void)
{
	CHECK_EQ(io_uring_major_version(), 2);
	CHECK_EQ(io_uring_minor_version(), 15);
	CHECK(!io_uring_check_version(2, 15));
	CHECK(!io_uring_check_version(2, 14));
	CHECK(!io_uring_check_version(1, 99));
	CHECK(io_uring_check_version(2, 16));
	CHECK(io_uring_check_version(3, 0));
	return 0;
}
