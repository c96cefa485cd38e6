/*
 * A UDP echo server with one multishot recvmsg: every datagram arrives in a
 * provided buffer, with the sender's address in front of it, and is sent back
 * from there.
 *
 * Usage: udp-echo [PORT]        Linux 6.0. Stops on SIGINT and SIGTERM.
 */
#include "server.h"

#define BUFFERS 256		/* a power of two */
#define BUFFER 2048
#define GROUP 1

enum tag { RECEIVE = BUFFERS, STOP };	/* below: a send from that buffer */

struct reply {
	struct msghdr message;
	struct iovec payload;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *memory;
static struct reply replies[BUFFERS];
static struct msghdr shape;	/* how much room the sender's address gets */

static void recycle(unsigned int id)
{
	io_uring_buf_ring_add(buffers, memory + (size_t) id * BUFFER, BUFFER,
			      (unsigned short) id, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffers, 1);
}

static void receive(int fd)
{
	struct io_uring_sqe *sqe = next_sqe(&ring);

	io_uring_prep_recvmsg_multishot(sqe, fd, &shape, MSG_TRUNC);
	io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
	io_uring_sqe_set_buf_group(sqe, GROUP);
	io_uring_sqe_set_data64(sqe, RECEIVE);
}

/* Sends the payload of a filled buffer back to where it came from. */
static int reply(int fd, unsigned int id, int length)
{
	struct io_uring_recvmsg_out *out =
		io_uring_recvmsg_validate(memory + (size_t) id * BUFFER, length, &shape);
	struct reply *answer = &replies[id];
	struct io_uring_sqe *sqe;

	if (!out || out->namelen > shape.msg_namelen || (out->flags & MSG_TRUNC))
		return 0;
	memset(answer, 0, sizeof(*answer));
	answer->payload.iov_base = io_uring_recvmsg_payload(out, &shape);
	answer->payload.iov_len = io_uring_recvmsg_payload_length(out, length, &shape);
	answer->message.msg_name = io_uring_recvmsg_name(out);
	answer->message.msg_namelen = out->namelen;
	answer->message.msg_iov = &answer->payload;
	answer->message.msg_iovlen = 1;
	sqe = next_sqe(&ring);
	io_uring_prep_sendmsg(sqe, fd, &answer->message, 0);
	io_uring_sqe_set_data64(sqe, id);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long datagrams = 0, bytes = 0, dropped = 0;
	struct signalfd_siginfo signal_info;
	struct io_uring_sqe *sqe;
	int fd, stop, ret, running = 1, receiving = 1;
	unsigned int i, sending = 0;

	if (argc > 2 || (argc == 2 && !strcmp(argv[1], "--help"))) {
		fprintf(stderr, "usage: udp-echo [PORT]\n");
		return 2;
	}
	stop = stop_descriptor();
	ret = io_uring_queue_init(128, &ring, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);
	buffers = io_uring_setup_buf_ring(&ring, BUFFERS, GROUP, 0, &ret);
	if (!buffers)
		die("io_uring_setup_buf_ring", -ret);
	memory = (char *) malloc((size_t) BUFFERS * BUFFER);
	if (!memory)
		die("malloc", ENOMEM);
	for (i = 0; i < BUFFERS; i++)
		recycle(i);
	fd = bound_socket(SOCK_DGRAM, argc > 1 ? port_argument(argv[1]) : 0);
	shape.msg_namelen = sizeof(struct sockaddr_storage);

	receive(fd);
	sqe = next_sqe(&ring);
	io_uring_prep_read(sqe, stop, &signal_info, sizeof(signal_info), 0);
	io_uring_sqe_set_data64(sqe, STOP);
	/* The replies that are on their way are waited for. */
	while (running || sending) {
		struct io_uring_cqe *cqe;
		unsigned int head, seen = 0;

		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			die("io_uring_submit_and_wait", -ret);
		io_uring_for_each_cqe(&ring, head, cqe) {
			__u64 tag = io_uring_cqe_get_data64(cqe);

			seen++;
			if (tag == STOP) {
				running = 0;
			} else if (tag == RECEIVE) {
				if (!(cqe->flags & IORING_CQE_F_MORE))
					receiving = 0;
				if (cqe->res >= 0) {
					unsigned int id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

					if (reply(fd, id, cqe->res)) {
						sending++;
					} else {
						dropped++;
						recycle(id);
					}
				} else if (cqe->res != -ENOBUFS) {
					die("recvmsg", -cqe->res);
				}
			} else {
				sending--;
				if (cqe->res >= 0) {
					datagrams++;
					bytes += (unsigned long) cqe->res;
				}
				recycle((unsigned int) tag);
			}
		}
		io_uring_cq_advance(&ring, seen);
		if (!receiving) {
			receive(fd);
			receiving = 1;
		}
	}
	io_uring_free_buf_ring(&ring, buffers, BUFFERS, GROUP);
	io_uring_queue_exit(&ring);
	free(memory);
	close(fd);
	close(stop);
	printf("datagrams=%lu bytes=%lu dropped=%lu\n", datagrams, bytes, dropped);
	return 0;
}
