// A load at a fixed rate, and how long answers took, counted from when each request was DUE: whoever keeps a request waiting for a
// free connection is charged for it ("coordinated omission"). steady PORT HOST PATH CONNECTIONS RATE SECONDS.
// Prints: answers, seconds, and the median, 99th percentile and longest time in microseconds.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096
#define EVENTS 256

struct connection {
  int socket;
  long long due;   // of the request under way
  long missing;    // bytes of the body not yet here; -1: the head is not whole
  int have;        // bytes of the head
  char head[4096];
};

static struct connection all[MOST];
// In the order in which they became free, so that all are used.
static int idle[MOST], idle_first, idle_count;
static char request[4096], piece[1 << 18];

static void fail(const char *what) {
  fprintf(stderr, "steady: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void put(int number) {
  idle[(idle_first + idle_count++) % MOST] = number;
}

static int earlier(const void *a, const void *b) {
  long long x = *(const long long *)a, y = *(const long long *)b;
  return (x > y) - (x < y);
}

// Takes what came; whether the answer is whole.
static int take(struct connection *it) {
  for (;;) {
    ssize_t got = recv(it->socket, piece, sizeof piece, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got <= 0) fail("the server closed a connection");
    if (it->missing < 0) {
      int room = sizeof it->head - 1 - it->have, kept = got < room ? got : room;
      memcpy(it->head + it->have, piece, kept);
      it->head[it->have + kept] = 0;
      char *end = strstr(it->head, "\r\n\r\n");
      if (end) {
        char *length = strcasestr(it->head, "\r\ncontent-length:");
        if (memcmp(it->head, "HTTP/1.1 200", 12) || !length) fail("an answer that is no 200 with a length");
        it->missing = atol(length + 17) - (got - (end + 4 - it->head - it->have));
      } else if (kept == room) {
        fail("a head without end");
      }
      it->have += kept;
    } else {
      it->missing -= got;
    }
    if (it->missing == 0) return 1;
  }
}

int main(int count, char **arguments) {
  if (count != 7) return 2;
  int connections = atoi(arguments[4]), length;
  double rate = atof(arguments[5]), seconds = atof(arguments[6]);
  long total = rate * seconds, begun = 0, done = 0;
  if (connections < 1 || connections > MOST || total < 100) return 2;
  length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", arguments[3], arguments[2]);
  long long *times = malloc(total * sizeof *times);
  int loop = epoll_create1(0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < connections; i++) {
    all[i].socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(all[i].socket, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(all[i].socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, all[i].socket, &event)) fail("epoll_ctl");
    put(i);
  }
  long long start = now(), last = start + (long long)((seconds + 10) * 1e9);
  while (done < total) {
    long long time = now();
    if (time > last) fail("the server is too slow for this rate");
    for (; begun < total && idle_count; begun++) {
      long long due = start + (long long)(begun * (1e9 / rate));
      if (due > time) break;
      struct connection *it = &all[idle[idle_first++ % MOST]];
      idle_count--;
      it->due = due, it->missing = -1, it->have = 0;
      if (send(it->socket, request, length, MSG_NOSIGNAL) != length) fail("send");
    }
    struct epoll_event events[EVENTS];
    // Does not sleep: what wakes late would be counted as the server's time.
    int ready = epoll_wait(loop, events, EVENTS, 0);
    for (int i = 0; i < ready; i++) {
      struct connection *it = &all[events[i].data.u32];
      if (!take(it)) continue;
      times[done++] = now() - it->due;
      put(events[i].data.u32);
    }
  }
  double took = (now() - start) / 1e9;
  qsort(times, done, sizeof *times, earlier);
  printf("%ld %.3f %.1f %.1f %.1f\n", done, took, times[done / 2] / 1e3, times[done * 99 / 100] / 1e3, times[done - 1] / 1e3);
  return 0;
}
