/* The block of a probe may be given to free(3), as plocate does; a negative
 * opcode is not supported. */
#include "one.h"

int main(void)
{
	struct io_uring_probe *probe = io_uring_get_probe();

	if (!probe)
		SKIP("this kernel cannot be asked");
	CHECK_EQ(io_uring_opcode_supported(probe, -1), 0);
	free(probe);
	return 0;
}
