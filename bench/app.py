"""The application behind all servers: a page of 9 KiB, one of 1 and one of 100, and a record of who asked for them.

A path that ends in /slow takes as long as a page that asks a database. Calls are recorded in the file that BENCH_CALLS
names, one line each: seconds since 1970, path with query. Those below /through/ are not, so that they cost the least.
"""

import os
import time

KIB = 1024
SLOW_SECONDS = 0.02


def _page(size: int) -> bytes:
    head = "<!doctype html><html lang=en><head><meta charset=utf-8><title>The Millrace</title></head><body>\n"
    foot = "</body></html>\n"
    lines = []
    length = len(head) + len(foot)
    while length < size:
        line = f"<article><h2>Story {len(lines)}</h2><p>What happened at the weir, and who saw it.</p></article>\n"
        lines.append(line[: size - length])
        length += len(lines[-1])
    return (head + "".join(lines) + foot).encode()


PAGE = _page(9 * KIB)
# By the end of the path; all others are PAGE.
SIZES = {"/small": _page(KIB), "/large": _page(100 * KIB)}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if not path.startswith("/through/"):
        _record(f"{time.time():.6f} {environ['REQUEST_URI']}\n")
    if path.endswith("/slow"):
        time.sleep(SLOW_SECONDS)
    page = SIZES.get(path[path.rfind("/") :], PAGE)
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))])
    return [page]


def _record(line: str) -> None:
    # One write to the end of a file is whole, whichever process makes it.
    file = os.open(os.environ["BENCH_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line.encode())
    os.close(file)
