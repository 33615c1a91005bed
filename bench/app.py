"""The application behind both servers: one page of 9 KiB, and a record of who asked for it.

A path that ends in /slow takes as long as a page that asks a database. Calls are recorded in the file that BENCH_CALLS
names, one line each: seconds since 1970, path with query. Those below /through/ are not, so that they cost the least.
"""

import os
import time

PAGE_BYTES = 9 * 1024
SLOW_SECONDS = 0.02


def _page() -> bytes:
    head = "<!doctype html><html lang=en><head><meta charset=utf-8><title>The Millrace</title></head><body>\n"
    foot = "</body></html>\n"
    lines = []
    length = len(head) + len(foot)
    while length < PAGE_BYTES:
        line = f"<article><h2>Story {len(lines)}</h2><p>What happened at the weir, and who saw it.</p></article>\n"
        lines.append(line[: PAGE_BYTES - length])
        length += len(lines[-1])
    return (head + "".join(lines) + foot).encode()


PAGE = _page()
HEADERS = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if not path.startswith("/through/"):
        _record(f"{time.time():.6f} {environ['REQUEST_URI']}\n")
    if path.endswith("/slow"):
        time.sleep(SLOW_SECONDS)
    start_response("200 OK", HEADERS)
    return [PAGE]


def _record(line: str) -> None:
    # One write to the end of a file is whole, whichever process makes it.
    file = os.open(os.environ["BENCH_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line.encode())
    os.close(file)
