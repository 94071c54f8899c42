/*
 * Emulates the wide-area network between regions: takes every packet that the kernel routes into a TUN interface, and
 * writes it back after the delay of its path. For kernels without netem, and the same on every machine.
 *
 * usage: emulator INTERFACE PATHS
 * Each line of the file PATHS is one direction: FROM/BITS TO/BITS DELAY_MS JITTER_MS LOSS_RATIO
 * A packet that no line covers is dropped. Packets of one path keep their order, however the jitter falls.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_PATHS = 64,
	MAX_PACKET = 65536,
	IPV4_HEADER = 20,
	/* Packets under way on one path: 0.2 s at 100 000 packets/s. What comes on top is lost, as in a router. */
	MAX_QUEUED = 20000,
	/* Packets taken in before those that are due go out. */
	BURST = 64,
};
static const int64_t NS_PER_MS = 1000000, NS_PER_S = 1000000000;

struct packet {
	struct packet *next;
	int64_t due_ns;
	int length;
	unsigned char bytes[];
};

struct network {
	uint32_t address, mask;
};

struct path {
	struct network from, to;
	double delay_ms, jitter_ms, loss_ratio;
	int64_t last_due_ns;
	struct packet *first, **end;
	int queued; /* BOUNDED: by MAX_QUEUED */
};

static struct path paths[MAX_PATHS];
static int path_count;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Normally distributed around 0 with standard deviation 1 (Box-Muller). */
static double gaussian(void)
{
	return sqrt(-2 * log(1 - drand48())) * cos(2 * M_PI * drand48());
}

static struct network parse_network(const char *address, int bits)
{
	struct in_addr parsed;
	if (bits < 1 || bits > 32 || inet_pton(AF_INET, address, &parsed) != 1) {
		fprintf(stderr, "not a network: %s/%d\n", address, bits);
		exit(1);
	}
	uint32_t mask = ~0u << (32 - bits);
	return (struct network){ntohl(parsed.s_addr) & mask, mask};
}

static void load_paths(const char *file)
{
	FILE *in = fopen(file, "r");
	if (!in)
		fail(file);
	char from[16], to[16];
	int from_bits, to_bits, fields;
	double delay, jitter, loss;
	while ((fields = fscanf(in, "%15[0-9.]/%d %15[0-9.]/%d %lf %lf %lf\n", from, &from_bits, to, &to_bits, &delay,
				&jitter, &loss)) == 7) {
		if (path_count == MAX_PATHS) {
			fprintf(stderr, "%s: more than %d paths\n", file, MAX_PATHS);
			exit(1);
		}
		struct path *path = &paths[path_count++];
		*path = (struct path){
			.from = parse_network(from, from_bits),
			.to = parse_network(to, to_bits),
			.delay_ms = delay,
			.jitter_ms = jitter,
			.loss_ratio = loss,
		};
		path->end = &path->first;
	}
	if (fields != EOF) {
		fprintf(stderr, "%s: line %d is not FROM/BITS TO/BITS DELAY_MS JITTER_MS LOSS_RATIO\n", file, path_count + 1);
		exit(1);
	}
	fclose(in);
}

static int open_tun(const char *name)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (fd < 0)
		fail("/dev/net/tun");
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		fail(name);
	return fd;
}

static int covers(struct network network, const unsigned char *bytes)
{
	uint32_t address;
	memcpy(&address, bytes, sizeof address);
	return (ntohl(address) & network.mask) == network.address;
}

static struct path *path_of(const unsigned char *packet)
{
	for (struct path *path = paths; path < paths + path_count; path++)
		if (covers(path->from, packet + 12) && covers(path->to, packet + 16))
			return path;
	return NULL;
}

/* Puts a packet that arrived at `now` on its path, or drops it. */
static void take(const unsigned char *bytes, int length, int64_t now)
{
	if (length < IPV4_HEADER || bytes[0] >> 4 != 4)
		return;
	struct path *path = path_of(bytes);
	if (!path || path->queued == MAX_QUEUED || drand48() < path->loss_ratio)
		return;
	struct packet *packet = malloc(sizeof *packet + length);
	if (!packet)
		return;
	double delay_ms = path->delay_ms + path->jitter_ms * gaussian();
	int64_t due_ns = now + (int64_t)(delay_ms < 0 ? 0 : delay_ms * NS_PER_MS);
	if (due_ns < path->last_due_ns)
		due_ns = path->last_due_ns;
	path->last_due_ns = packet->due_ns = due_ns;
	packet->next = NULL;
	packet->length = length;
	memcpy(packet->bytes, bytes, length);
	*path->end = packet;
	path->end = &packet->next;
	path->queued++;
}

/* Sends what is due at `now`; returns when the next packet is due, or -1 when none is under way. */
static int64_t deliver(int fd, int64_t now)
{
	int64_t next_ns = -1;
	for (struct path *path = paths; path < paths + path_count; path++) {
		struct packet *packet;
		while ((packet = path->first) && packet->due_ns <= now) {
			/* EINVAL and EIO: a packet that the kernel does not take, or an interface that is down. Both lose it. */
			if (write(fd, packet->bytes, packet->length) < 0 && errno != EINVAL && errno != EIO && errno != EAGAIN)
				fail("write to the interface");
			path->first = packet->next;
			if (!path->first)
				path->end = &path->first;
			path->queued--;
			free(packet);
		}
		if (packet && (next_ns < 0 || packet->due_ns < next_ns))
			next_ns = packet->due_ns;
	}
	return next_ns;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s INTERFACE PATHS\n", argv[0]);
		return 2;
	}
	load_paths(argv[2]);
	int fd = open_tun(argv[1]);
	/* The kernel would otherwise wake us up to 50 us late, and on a busy machine much later: that is not the network's. */
	prctl(PR_SET_TIMERSLACK, 1000);
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) < 0)
		perror("no real-time priority, delays may vary with the machine's load");
	static unsigned char buffer[MAX_PACKET];
	for (;;) {
		int64_t now = now_ns(), next_ns = deliver(fd, now);
		struct timespec wait = {(next_ns - now) / NS_PER_S, (next_ns - now) % NS_PER_S};
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		if (ppoll(&readable, 1, next_ns < 0 ? NULL : &wait, NULL) < 0 && errno != EINTR)
			fail("ppoll");
		for (int i = 0; i < BURST; i++) {
			int length = read(fd, buffer, sizeof buffer);
			if (length < 0)
				break;
			take(buffer, length, now_ns());
		}
	}
}
