/* What the services get in place of the kernel's clock, chance and TCP, loaded before libc (LD_PRELOAD).
 *
 * The clock stands still until the scheduler sets it. Random bytes follow from WEIR_SEED. A thread that would
 * sleep in epoll_wait returns at once, and the scheduler is told until when it would have slept. TCP sockets
 * are unix sockets with addresses in the abstract namespace: what one end writes, the other can read at once,
 * so that nothing is on its way inside the kernel. Addresses need no network interface.
 *
 * The scheduler talks to this file with clock_gettime and clock_settime, on clocks that do not exist. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(#name))
#define SECOND 1000000000LL

enum { SLEEP = 1001, EVENTS = 1002, HOST = 1003, SOCKETS = 1004, READY = 1000000 };

static int64_t monotonic = 1000 * SECOND;
static int64_t time_of_day = 1800000000LL * SECOND;
static uint64_t chance;
/* Until when the thread would sleep: 0 not at all, INT64_MAX for ever. */
static int64_t sleeps_until;
static int64_t events;
static int epoll_used = -1;
static unsigned next_port = 20000;
/* The address of the machine whose turn it is. */
static uint32_t host = INADDR_LOOPBACK;
/* The sockets that services have made since this was last set, and which of them is refused. */
static int64_t sockets, refused_socket;
static unsigned char is_tcp[65536];
static char prefix[32];
static size_t prefix_len;

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

__attribute__((constructor)) static void begin(int argc, char **argv, char **envp) {
  (void)argc;
  /* Some hashes are seeded with addresses. */
  int now = personality(0xffffffff);
  if (now != -1 && !(now & ADDR_NO_RANDOMIZE) && personality(now | ADDR_NO_RANDOMIZE) != -1)
    execve("/proc/self/exe", argv, envp);
  const char *seed = getenv("WEIR_SEED");
  chance = seed ? strtoull(seed, NULL, 10) : 0;
  prefix_len = 1 + (size_t)snprintf(prefix + 1, sizeof prefix - 1, "weir/%d/", (int)getpid());
}

/* ---- the clock ---- */

static struct timespec spec(int64_t ns) {
  return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

int clock_gettime(clockid_t id, struct timespec *at) {
  switch (id) {
  case CLOCK_MONOTONIC:
  case CLOCK_MONOTONIC_RAW:
  case CLOCK_MONOTONIC_COARSE:
  case CLOCK_BOOTTIME:
    *at = spec(monotonic);
    return 0;
  case CLOCK_REALTIME:
  case CLOCK_REALTIME_COARSE:
    *at = spec(time_of_day);
    return 0;
  case SLEEP:
    *at = spec(sleeps_until);
    return 0;
  case SOCKETS:
    *at = (struct timespec){.tv_sec = sockets};
    return 0;
  case EVENTS:
    *at = (struct timespec){.tv_sec = events, .tv_nsec = epoll_used};
    events = 0;
    return 0;
  }
  if (id >= READY) {
    struct pollfd fd = {.fd = id - READY, .events = POLLIN};
    *at = (struct timespec){.tv_sec = poll(&fd, 1, 0) > 0};
    return 0;
  }
  return (int)syscall(SYS_clock_gettime, id, at);
}

int clock_settime(clockid_t id, const struct timespec *at) {
  int64_t to = at->tv_sec * SECOND + at->tv_nsec;
  switch (id) {
  case CLOCK_MONOTONIC:
    monotonic = to;
    return 0;
  case CLOCK_REALTIME:
    time_of_day = to;
    return 0;
  case SLEEP:
    sleeps_until = to;
    return 0;
  case HOST:
    host = (uint32_t)at->tv_sec;
    return 0;
  case SOCKETS:
    refused_socket = at->tv_sec;
    if (refused_socket) sockets = 0;
    return 0;
  }
  errno = EINVAL;
  return -1;
}

int gettimeofday(struct timeval *at, void *zone) {
  (void)zone;
  *at = (struct timeval){.tv_sec = time_of_day / SECOND, .tv_usec = time_of_day % SECOND / 1000};
  return 0;
}

time_t time(time_t *at) {
  time_t now = time_of_day / SECOND;
  if (at) *at = now;
  return now;
}

/* ---- chance ---- */

ssize_t getrandom(void *to, size_t length, unsigned flags) {
  (void)flags;
  for (size_t n = 0; n < length; n++) {
    uint64_t z = (chance += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    ((unsigned char *)to)[n] = (unsigned char)(z ^ (z >> 31));
  }
  return (ssize_t)length;
}

long syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (int n = 0; n < 6; n++) a[n] = va_arg(list, long);
  va_end(list);
  if (number == SYS_getrandom) return getrandom((void *)a[0], (size_t)a[1], 0);
  static long (*call)(long, ...);
  if (!call) call = (long (*)(long, ...))real("syscall");
  return call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- sleep ---- */

int epoll_wait(int epoll, struct epoll_event *found, int most, int timeout) {
  static int (*wait)(int, struct epoll_event *, int, int);
  if (!wait) wait = REAL(epoll_wait);
  epoll_used = epoll;
  int count = wait(epoll, found, most, 0);
  for (int n = 0; n < count; n++)
    /* tokio's tokens 0 and 1 are a wake-up of its own and signals. */
    if (found[n].data.u64 > 1) events++;
  if (count == 0 && timeout != 0)
    sleeps_until = timeout < 0 ? INT64_MAX : monotonic + timeout * 1000000LL;
  return count;
}

/* ---- TCP ---- */

static void name(struct sockaddr_un *to, socklen_t *length, const struct sockaddr_in *from, unsigned port) {
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &from->sin_addr, text, sizeof text);
  memset(to, 0, sizeof *to);
  to->sun_family = AF_UNIX;
  memcpy(to->sun_path, prefix, prefix_len);
  int written =
      snprintf(to->sun_path + prefix_len, sizeof to->sun_path - prefix_len, "%s:%u", text, port);
  *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + prefix_len + (size_t)written);
}

/* The address in the name of a socket; 0.0.0.0:0 if it has none. Returns 0 if the name is another kind. */
static int address(const struct sockaddr_un *from, socklen_t length, struct sockaddr_in *to) {
  memset(to, 0, sizeof *to);
  to->sin_family = AF_INET;
  size_t path = length > offsetof(struct sockaddr_un, sun_path) ? length - offsetof(struct sockaddr_un, sun_path) : 0;
  if (from->sun_family != AF_UNIX) return 0;
  if (path == 0) return 1;
  if (path <= prefix_len || memcmp(from->sun_path, prefix, prefix_len)) return 0;
  char text[64] = {0};
  memcpy(text, from->sun_path + prefix_len, path - prefix_len < 63 ? path - prefix_len : 63);
  char *colon = strrchr(text, ':');
  if (!colon) return 0;
  *colon = 0;
  to->sin_port = htons((uint16_t)atoi(colon + 1));
  inet_pton(AF_INET, text, &to->sin_addr);
  return 1;
}

static int tcp(int fd) { return fd >= 0 && fd < 65536 && is_tcp[fd]; }

static void mark(int fd, int is) {
  if (fd >= 0 && fd < 65536) is_tcp[fd] = (unsigned char)is;
}

static void give(const struct sockaddr_in *from, struct sockaddr *to, socklen_t *length) {
  if (!to || !length) return;
  memcpy(to, from, *length < sizeof *from ? *length : sizeof *from);
  *length = sizeof *from;
}

/* Whether this socket is the one that there is no descriptor for. Machines 127.1 to 127.3 are edges, nodes and
 * adapters. */
static int refused(void) {
  unsigned kind = host >> 16 & 0xff;
  if (!refused_socket || kind < 1 || kind > 3 || ++sockets != refused_socket) return 0;
  errno = EMFILE;
  return 1;
}

int socket(int domain, int type, int protocol) {
  int is = domain == AF_INET && (type & 0xf) == SOCK_STREAM;
  if (is && refused()) return -1;
  int fd = is ? REAL(socket)(AF_UNIX, type, 0) : REAL(socket)(domain, type, protocol);
  mark(fd, is);
  return fd;
}

int close(int fd) {
  static int (*end)(int);
  if (!end) end = REAL(close);
  mark(fd, 0);
  return end(fd);
}

int bind(int fd, const struct sockaddr *at, socklen_t length) {
  if (!tcp(fd)) return REAL(bind)(fd, at, length);
  const struct sockaddr_in *in = (const struct sockaddr_in *)at;
  struct sockaddr_un un;
  name(&un, &length, in, in->sin_port ? ntohs(in->sin_port) : next_port++);
  return REAL(bind)(fd, (struct sockaddr *)&un, length);
}

int connect(int fd, const struct sockaddr *to, socklen_t length) {
  if (!tcp(fd)) return REAL(connect)(fd, to, length);
  struct sockaddr_in here = {.sin_family = AF_INET};
  struct sockaddr_un un;
  here.sin_addr.s_addr = htonl(host);
  name(&un, &length, &here, next_port++);
  REAL(bind)(fd, (struct sockaddr *)&un, length);
  name(&un, &length, (const struct sockaddr_in *)to, ntohs(((const struct sockaddr_in *)to)->sin_port));
  int done = REAL(connect)(fd, (struct sockaddr *)&un, length);
  if (done == -1 && errno == EAGAIN) errno = ECONNREFUSED;
  return done;
}

int accept4(int fd, struct sockaddr *from, socklen_t *length, int flags) {
  if (!tcp(fd)) return REAL(accept4)(fd, from, length, flags);
  struct pollfd comes = {.fd = fd, .events = POLLIN};
  if (poll(&comes, 1, 0) > 0 && refused()) return -1;
  struct sockaddr_un un;
  socklen_t size = sizeof un;
  int made = REAL(accept4)(fd, (struct sockaddr *)&un, &size, flags);
  if (made < 0) return made;
  mark(made, 1);
  struct sockaddr_in in;
  address(&un, size, &in);
  give(&in, from, length);
  return made;
}

static int named(int fd, struct sockaddr *to, socklen_t *length,
                 int (*get)(int, struct sockaddr *, socklen_t *)) {
  struct sockaddr_un un;
  socklen_t size = sizeof un;
  int done = get(fd, (struct sockaddr *)&un, &size);
  struct sockaddr_in in;
  int is = done == 0 && address(&un, size, &in);
  if (!is || (!tcp(fd) && size <= offsetof(struct sockaddr_un, sun_path))) return get(fd, to, length);
  give(&in, to, length);
  return 0;
}

int getsockname(int fd, struct sockaddr *to, socklen_t *length) {
  return named(fd, to, length, REAL(getsockname));
}

int getpeername(int fd, struct sockaddr *to, socklen_t *length) {
  return named(fd, to, length, REAL(getpeername));
}

int setsockopt(int fd, int level, int what, const void *value, socklen_t length) {
  if (tcp(fd) && (level == IPPROTO_TCP || level == IPPROTO_IP || what == SO_REUSEPORT)) return 0;
  return REAL(setsockopt)(fd, level, what, value, length);
}

int getsockopt(int fd, int level, int what, void *value, socklen_t *length) {
  if (tcp(fd) && (level == IPPROTO_TCP || level == IPPROTO_IP)) {
    memset(value, 0, *length);
    return 0;
  }
  return REAL(getsockopt)(fd, level, what, value, length);
}
