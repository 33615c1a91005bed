"""A plain HTTP client: is the server up, and does it answer what the application said?"""

import http.client
import time
from collections.abc import Callable
from contextlib import closing

from bench.failed import Failed

# Under valgrind a start takes some seconds.
SECONDS_TO_START = 30
# Whom every request asks, at whatever port: edges that share a cache are edges of one site.
HOST = "site.test"


def get(port: int, path: str) -> bytes:
    """The body of a 200."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path, headers={"Host": HOST})
        response = connection.getresponse()
        body = response.read()
    if response.status != 200:
        raise Failed(f"port {port} answered {path} with {response.status}")
    return body


def post(port: int, path: str, text: str) -> bytes:
    """The body of the answer, whatever its status."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", path, body=text, headers={"Content-Type": "application/json"})
        return connection.getresponse().read()


def until(what: str, ready: Callable[[], bool]) -> None:
    """Waits for it, asking ten times a second."""
    deadline = time.monotonic() + SECONDS_TO_START
    while not ready():
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not answer in {SECONDS_TO_START} s")
        time.sleep(0.1)


def answers(port: int, path: str) -> bool:
    try:
        get(port, path)
    except (OSError, http.client.HTTPException, Failed):
        return False
    return True
