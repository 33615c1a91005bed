"""Sends bytes to a server as they are, and reads which statuses come back."""

import re
import socket
from dataclasses import dataclass

# How long to wait for more: first for any reply, then between pieces.
FIRST, NEXT = 4.0, 0.5
MOST = 1 << 20
HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


@dataclass(frozen=True)
class Answer:
    statuses: tuple[int, ...]
    # The server has closed the connection.
    closed: bool

    @property
    def accepted(self) -> bool:
        """The first request was answered by the application."""
        final = [status for status in self.statuses if status >= 200]
        return bool(final) and final[0] < 400

    @property
    def refused(self) -> bool:
        """An error, or the end without a word. That of a second request counts: the first may have been right."""
        final = [status for status in self.statuses if status >= 200]
        return any(status >= 400 for status in final) or not final

    @property
    def kinds(self) -> set[str]:
        """The first final status, as suites write it."""
        final = [status for status in self.statuses if status >= 200]
        if not final:
            return {"close"} if self.closed else {"timeout"}
        return {str(final[0]), f"{final[0] // 100}xx"}

    def __str__(self) -> str:
        words = [str(status) for status in self.statuses] + (["closed"] if self.closed else ["open"])
        return " ".join(words)


def send(port: int, data: bytes) -> Answer:
    received, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(data)
        except OSError:
            # It has seen enough.
            closed = True
        connection.settimeout(FIRST)
        try:
            while len(received) < MOST:
                piece = connection.recv(65_536)
                if not piece:
                    closed = True
                    break
                received += piece
                connection.settimeout(NEXT)
        except TimeoutError:
            pass
        except OSError:
            closed = True
    return Answer(tuple(int(status) for status in HEAD.findall(received)), closed)
