"""python -m bench.count: the instructions that one request costs nginx and Weir, compared with bench/count.json.

Unlike seconds they do not depend on the machine. Each server runs under `valgrind --tool=callgrind` and answers 200,
then 700 requests that come one after the other over one connection with a browser's fields; the difference, divided by
500, is one request's share. Run it by `make count`, which does the set-up and the build; RECORD=1 writes the table.
"""

import gzip
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

from bench.app import PAGE
from bench.client import HOST
from bench.contenders import NGINX, WEIR, Contender
from bench.failed import Failed
from bench.options import from_environment
from bench.stage import Stage, stage

TABLE = Path(__file__).parent / "count.json"
CONTENDERS = (NGINX, WEIR)
# Both answer a page of 9 KiB. "dressed" is cached, with three added fields, a log in a format of its own, and gzip.
PATHS = {"cached": "/long/page", "uncached": "/through/page", "dressed": "/dressed/page"}
# The most that "dressed" may cost Weir, measured by "cached".
DRESSED = 1.3
FEW, MANY = 200, 700
# What a build by another compiler may differ by.
TOLERANCE = 0.03
# As Firefox asks for a page that somebody follows a link to.
FIELDS = {
    "Host": HOST,
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": f"http://{HOST}/",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
}

Table = dict[str, dict[str, int]]


def main() -> int:
    try:
        with stage(from_environment(())) as ready:
            counted = {work: counts(ready, path) for work, path in PATHS.items()}
    except Failed as failed:
        print(f"count: {failed}", file=sys.stderr)
        return 1
    print(as_markdown(counted))
    if os.environ.get("RECORD"):
        TABLE.write_text(json.dumps(counted, indent=2) + "\n")
        return 0
    faults = differences(counted, json.loads(TABLE.read_text()))
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


def counts(ready: Stage, path: str) -> dict[str, int]:
    """Each server's instructions for one request."""
    one: dict[str, int] = {}
    for contender in CONTENDERS:
        few, many = (instructions(contender, ready, path, requests) for requests in (FEW, MANY))
        one[contender.name] = round((many - few) / (MANY - FEW))
    return one


def instructions(contender: Contender, ready: Stage, path: str, requests: int) -> int:
    """All that the server executes from its start to its end, all processes and threads together."""
    with tempfile.TemporaryDirectory(dir=ready.run) as directory:
        tool = ["valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={directory}/%p"]
        with contender.running(ready, tool) as running:
            ask(running.ports[0], path, requests)
        return sum(_total(file) for file in Path(directory).iterdir())


def ask(port: int, path: str, requests: int) -> None:
    """One request after the other, over one connection, each answered by the whole page."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in FIELDS.items())
    request = f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for _ in range(requests):
            connection.sendall(request)
            _read_page(connection)


def _read_page(connection: socket.socket) -> None:
    received = b""
    while (body := _body(received)) is None:
        piece = connection.recv(65536)
        if not piece:
            raise Failed("the server closed the connection before it had answered")
        received += piece
    if not received.startswith(b"HTTP/1.1 200 ") or body != PAGE:
        raise Failed(f"the server answered {received[:200]!r}")


def _body(received: bytes) -> bytes | None:
    """The body as it was before it was compressed; None: it is not whole yet."""
    head, end, rest = received.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:]) if end else {}
    if not end:
        return None
    if b"content-length" in fields:
        if len(rest) < int(fields[b"content-length"]):
            return None
    else:
        chunks = b""
        while not rest.startswith(b"0\r\n\r\n"):
            length, line, rest = rest.partition(b"\r\n")
            if not line or len(rest) < int(length, 16) + 2:
                return None
            chunks, rest = chunks + rest[: int(length, 16)], rest[int(length, 16) + 2 :]
        rest = chunks
    return gzip.decompress(rest) if fields.get(b"content-encoding") == b"gzip" else rest


def _total(file: Path) -> int:
    """What callgrind writes at a program's end."""
    totals = [line for line in file.read_text(errors="replace").splitlines() if line.startswith("totals:")]
    if not totals:
        raise Failed(f"callgrind has written no total to {file.name}: the server was killed before it ended")
    return int(totals[-1].split()[1])


def as_markdown(counted: Table) -> str:
    names = [contender.name for contender in CONTENDERS]
    lines = [f"| instructions for a request | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for work, one in counted.items():
        lines.append(f"| {work} | {' | '.join(f'{one[name]:,}' for name in names)} |")
    return "\n".join(lines)


def differences(counted: Table, recorded: Table) -> list[str]:
    """One line for each count of Weir's that is not as recorded."""
    faults = []
    bound = DRESSED * counted["cached"][WEIR.name]
    if counted["dressed"][WEIR.name] > bound:
        faults.append(f"dressed: {counted['dressed'][WEIR.name]:,} instructions; {bound:,.0f} are the most")
    # What was added since is not recorded yet.
    for work, one in ((work, one) for work, one in counted.items() if work in recorded):
        now, then = one[WEIR.name], recorded[work][WEIR.name]
        if abs(now - then) > TOLERANCE * then:
            advice = "find out why" if now > then else "write it down with RECORD=1 make count"
            faults.append(f"{work}: {now:,} instructions, {then:,} in bench/count.json: {advice}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
