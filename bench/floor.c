// The floor: a bare epoll loop that sends one fixed answer to whatever ends with an empty line. No parsing, no cache, no timer.
// Whoever says `Connection: close` (as wrk writes it) is closed after its answer.
// floor PORT FILE: FILE is the body.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

static int must(int result, const char *what) {
  if (result < 0) {
    perror(what);
    exit(1);
  }
  return result;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  static char answer[1 << 20], request[16384];
  FILE *file = fopen(arguments[2], "rb");
  if (!file) return 2;
  fseek(file, 0, SEEK_END);
  long body = ftell(file);
  rewind(file);
  // About as long as what the others say.
  int head = sprintf(answer,
                     "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                     "Content-Type: text/html; charset=utf-8\r\nConnection: keep-alive\r\nContent-Length: %ld\r\n\r\n",
                     body);
  if (head + body > (long)sizeof answer || fread(answer + head, 1, body, file) != (size_t)body) return 2;

  int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
  must(listen(listener, 4096), "listen");

  int loop = must(epoll_create1(0), "epoll");
  struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
  must(epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
  for (;;) {
    int ready = epoll_wait(loop, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      int peer = events[i].data.fd;
      if (peer == listener) {
        event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (event.data.fd >= 0) epoll_ctl(loop, EPOLL_CTL_ADD, event.data.fd, &event);
        continue;
      }
      ssize_t got = recv(peer, request, sizeof request, 0);
      // A head is small and comes in one piece here, and its answer fits the socket: this is a measure, not a server.
      if (got < 4 || memcmp(request + got - 4, "\r\n\r\n", 4) || send(peer, answer, head + body, MSG_NOSIGNAL) != head + body ||
          memmem(request, got, "Connection: close", 17))
        close(peer);
    }
  }
}
