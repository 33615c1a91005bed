#!/usr/bin/env python3
"""ports.py PORT…: says, one line each, which ports of 127.0.0.1 are taken. Exit 1 if any is."""

import socket
import sys

taken = []
for port in map(int, sys.argv[1:]):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            taken.append(port)

for port in taken:
    sys.stderr.write(
        f"port {port} is taken: stop what listens there (ss -ltnp 'sport = :{port}' names it), try again\n"
    )
sys.exit(bool(taken))
