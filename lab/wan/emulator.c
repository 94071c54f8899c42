/*
 * Emulates the wide-area network between regions: takes every packet that the kernel routes into a TUN interface, and
 * writes it back after the delay of its path. For kernels without netem, and the same on every machine.
 *
 * usage: emulator INTERFACE PATHS
 * Each line of the file PATHS is one direction: FROM/BITS TO/BITS DELAY_MS JITTER_MS LOSS_RATIO
 * A packet that no line covers is dropped. Packets of one path keep their order, however the jitter falls.
 *
 * It wakes once a millisecond and not for each packet, and handles packets that left their sender as one (UDP_SEGMENT) as
 * one: they get one delay, as what is sent back to back has in a network too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
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
	/* Comes before every packet, and says how the kernel is to cut it apart and where its checksum is missing. */
	VNET_HEADER = sizeof(struct virtio_net_hdr),
	MAX_PACKET = VNET_HEADER + 65535,
	IPV4_HEADER = 20,
	/* Packets under way on one path: 0.2 s at 100 000 packets/s. What comes on top is lost, as in a router. */
	MAX_QUEUED = 20000,
	/* Packets taken in before those that are due go out. */
	BURST = 256,
};
static const int64_t NS_PER_MS = 1000000, NS_PER_S = 1000000000;
#ifndef TUN_F_USO4 /* Headers of before Linux 6.2. */
enum { TUN_F_USO4 = 0x20, TUN_F_USO6 = 0x40 };
#endif
/* Time between two looks at what has come and what is due. */
static const int64_t TICK_NS = 1000000;

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
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		fail(name);
	unsigned offloads = TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6;
	/* Losses strike each packet by itself. */
	for (struct path *path = paths; path < paths + path_count; path++)
		if (path->loss_ratio > 0)
			offloads = 0;
	/* Linux before 6.2 knows no USO, and cuts the packets apart on the way in. */
	if (ioctl(fd, TUNSETOFFLOAD, offloads) < 0 && ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		fail("offloads of the interface");
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

/* Puts what was read at the tick `now` on its path, or drops it. It came within the tick before: in its middle, on average. */
static void take(const unsigned char *bytes, int length, int64_t now)
{
	if (length < VNET_HEADER + IPV4_HEADER || bytes[VNET_HEADER] >> 4 != 4)
		return;
	struct path *path = path_of(bytes + VNET_HEADER);
	if (!path || path->queued == MAX_QUEUED || drand48() < path->loss_ratio)
		return;
	struct packet *packet = malloc(sizeof *packet + length);
	if (!packet)
		return;
	double delay_ms = path->delay_ms + path->jitter_ms * gaussian();
	int64_t due_ns = now - TICK_NS / 2 + (int64_t)(delay_ms < 0 ? 0 : delay_ms * NS_PER_MS);
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

/* Takes what has come by the tick `now`; returns how many. */
static int receive(int fd, int64_t now)
{
	static unsigned char buffer[MAX_PACKET];
	int count = 0, length;
	while (count < BURST && (length = read(fd, buffer, sizeof buffer)) >= 0) {
		take(buffer, length, now);
		count++;
	}
	return count;
}

/* Sends what is due nearest to the tick `now`; returns how many are still under way. */
static int deliver(int fd, int64_t now)
{
	int under_way = 0;
	for (struct path *path = paths; path < paths + path_count; path++) {
		struct packet *packet;
		while ((packet = path->first) && packet->due_ns <= now + TICK_NS / 2) {
			/* EINVAL and EIO: a packet that the kernel does not take, or an interface that is down. Both lose it. */
			if (write(fd, packet->bytes, packet->length) < 0 && errno != EINVAL && errno != EIO && errno != EAGAIN)
				fail("write to the interface");
			path->first = packet->next;
			if (!path->first)
				path->end = &path->first;
			path->queued--;
			free(packet);
		}
		under_way += path->queued;
	}
	return under_way;
}

/* Returns at the next tick, and, with nothing under way, at the next one after a packet has come. */
static void rest(int fd, int under_way)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	if (under_way == 0 && poll(&readable, 1, -1) < 0 && errno != EINTR)
		fail("poll");
	int64_t next = now_ns() / TICK_NS * TICK_NS + TICK_NS;
	struct timespec until = {next / NS_PER_S, next % NS_PER_S};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
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
	for (;;) {
		int64_t now = now_ns();
		int taken = receive(fd, now), under_way = deliver(fd, now);
		if (taken < BURST)
			rest(fd, under_way);
	}
}
