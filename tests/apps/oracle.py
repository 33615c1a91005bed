"""A WSGI application that does what its URL says and remembers that it was asked. No framework.

    uwsgi --socket 127.0.0.1:PORT --wsgi-file oracle.py --buffer-size 32768      with ORACLE_DIR=/an/empty/directory

ORACLE_DIR       where it remembers, shared by all its processes.
ORACLE_VALIDATE  1: wsgiref's validator checks every request but those to /lie and /crash.

Any prefix may stand before these paths: /main/count/x is /count/x for an application behind the location /main.

/count/NAME      Counts one up and answers with the number. Exact over threads and processes. NAME may hold slashes.
/calls/NAME      The number so far, not counted.
/log/NAME        JSON: {"count": n, "most_at_once": n, "calls": […]}; of each of the last 200 calls "at" (seconds since
                 1970), "method", "uri", and "fields" with all its HTTP_ variables.
/set/NAME?…      From now on /count/NAME behaves as if these parameters were in its URL, where its own come first.
                 Without parameters: as before.
/echo-environ    JSON of the whole environ; bytes as latin-1, objects by the name of their type.
/asked           What it was asked, one `NAME=value` a line: method, path, query, type and length of the body, and the
                 fields but those in which servers in front say who they and the client are.
/upload          Reads the body. JSON: {"length": n, "sha256": hex, "content_length": "…" or null}
/early           Answers without reading the body.
/lie?say=&send=  Content-Length: `say`, then `send` bytes.
/crash?how=      raise: an exception before the head, upon which uWSGI closes without an answer;
                 midway: one after `size` bytes of an answer twice as long; exit: the worker process ends at once.
/slow-head       The answer "late", to be used with delay=.

Parameters, understood by all paths but /calls, /log and /set:

delay=MS         wait so long before the head
hold=1           /count only: wait before the head until the test has released this call (Oracle::release)
hold-body=1      /count only: wait before each of `chunks` but the first until the test has released one more
status=CODE      200 if not given
h=NAME:VALUE     a response field; repeat for more
type=TYPE        Content-Type, else one that fits the body; empty: none
body=KIND        what /count answers: number (the default); html: a page with the number; html-with-csrf: the same with
                 a form and Django's hidden token; html-with-holes: the same with two such forms, whose tokens are holes
                 if Weir offers to fill them, and fill=BYTES between; html-with-both: one is a hole, the other is not;
                 html-with-values: the same as html-with-holes, and two places for the visitor's value "name", with the
                 default <friend>;
                 who: the number and the request's Cookie and Authorization;
                 field:NAME: the number and that request field; variable:NAME: the number and that CGI variable
size=BYTES       the body filled up with dots, or cut, to this length
chunks=N gap=MS  the body in N pieces, that long apart
gzip=1           the body compressed, whatever is asked for; gzip=cut: and cut off
nolength=1       no Content-Length
etag=TEXT        ETag: "TEXT", and 304 to an If-None-Match that holds it
modified=DATE    Last-Modified: DATE, and 304 to an If-Modified-Since of this very date
head-body=1      sends the body in answer to HEAD too
odd=1            a client whose User-Agent is odd-STATUS gets that status, one whose is odd-private or odd-cookie a
                 reply of its own
"""

import fcntl
import gzip
import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote

PIECE = 65536
REASONS = {status.value: status.phrase for status in HTTPStatus}
NOT_VALID = ("lie", "crash")  # what these do, the validator would rightly report
BODYLESS = (204, 304)
NO_PATH = b"no such path; see the top of oracle.py\n"
# Fields of /asked that are left out: those, and what no application should get.
IN_FRONT = (
    *("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA", "HTTP_TRACE", "HTTP_CDN_LOOP"),
    *("HTTP_CONNECTION", "HTTP_CONTENT_", "HTTP_TE", "HTTP_PROXY"),
)
CALLS_KEPT = 200
HELD_AT_MOST = 60  # seconds; the test has failed long before
CSRF_FORM = '<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{}"></form>\n'
HOLE = 'csrf;mark="{}";cookie="csrftoken";max-age=31449600;path="/";samesite="Lax"'
VALUE = 'value;mark="{}";cookie="weir_values";name="name";default=%"<friend>"'


class Ask:
    """A request: its environ, the rest of its path, its parameters."""

    def __init__(self, environ, name, params: dict[str, list[str]]):
        self.environ, self.name, self.params, self.counted = environ, name, params, 0

    def text(self, key, default=""):
        return self.params.get(key, [default])[0]

    def number(self, key, default=0):
        return int(self.text(key, default))


class Answer:
    """A body and, where it has its own, its type, length and what follows when it is sent."""

    def __init__(self, body: bytes | Iterable[bytes], type="text/plain; charset=utf-8", length=None, done=()):
        self.body, self.type, self.length, self.done = body, type, length, list(done)


# What it remembers.


@contextmanager
def memory(name):
    """The record of one name, locked against all other threads and processes, and written back."""
    path = Path(os.environ["ORACLE_DIR"], quote(name, safe="") + ".json")
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        record = json.loads(file.read() or '{"count": 0, "running": 0, "most_at_once": 0, "calls": [], "set": ""}')
        yield record
        file.seek(0)
        file.truncate()
        json.dump(record, file)


def remember_call(ask):
    call = {
        "at": time.time(),
        "method": ask.environ["REQUEST_METHOD"],
        "uri": ask.environ.get("REQUEST_URI", ""),
        "fields": {key: value for key, value in ask.environ.items() if key.startswith("HTTP_")},
    }
    with memory(ask.name) as record:
        record["count"] += 1
        record["running"] += 1
        record["most_at_once"] = max(record["most_at_once"], record["running"])
        record["calls"] = [*record["calls"], call][-CALLS_KEPT:]
        for key, values in parse_qs(record["set"], keep_blank_values=True).items():
            ask.params.setdefault(key, values)
        return record["count"]


def wait_for_release(name, number):
    """Until the test has released as many."""
    end = time.monotonic() + HELD_AT_MOST
    while released(name) < number and time.monotonic() < end:
        time.sleep(0.01)


def released(name):
    with Path(os.environ["ORACLE_DIR"], quote(name, safe="") + ".json").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return json.loads(file.read()).get("released", 0)


def remember_end(name):
    with memory(name) as record:
        record["running"] -= 1


# The paths.


def count(ask):
    number = ask.counted = remember_call(ask)
    answer = Answer(f"{number}\n".encode(), done=[lambda: remember_end(ask.name)])
    kind, _, which = ask.text("body", "number").partition(":")
    if kind.startswith("html"):
        page = f"<!doctype html><title>{number}</title><p>{number}</p>\n"
        if kind == "html-with-csrf":
            page += CSRF_FORM.format(os.urandom(32).hex())
        elif kind in ("html-with-holes", "html-with-both", "html-with-values"):
            mark = os.urandom(32).hex()
            other = os.urandom(32).hex() if kind == "html-with-both" else mark
            page += CSRF_FORM.format(mark) + "." * ask.number("fill") + CSRF_FORM.format(other)
            holes = [HOLE.format(mark)]
            if kind == "html-with-values":
                value = os.urandom(32).hex()
                page += f"<p title='{value}'>Hello {value}</p>"
                holes.append(VALUE.format(value))
            if "HTTP_WEIR_HOLES" in ask.environ:
                ask.params.setdefault("h", []).append(f"Weir-Holes: {', '.join(holes)}")
        answer.body, answer.type = page.encode(), "text/html; charset=utf-8"
    elif kind == "who":
        cookie, authorization = ask.environ.get("HTTP_COOKIE"), ask.environ.get("HTTP_AUTHORIZATION")
        answer.body = f"{number} cookie={cookie} authorization={authorization}\n".encode("latin-1")
    elif kind == "field":
        value = ask.environ.get("HTTP_" + which.upper().replace("-", "_"))
        answer.body = f"{number} {which}={value}\n".encode("latin-1")
    elif kind == "variable":
        answer.body = f"{number} {which}={ask.environ.get(which)}\n".encode("latin-1")
    return answer


def calls(ask):
    with memory(ask.name) as record:
        return Answer(f"{record['count']}\n".encode())


def log(ask):
    with memory(ask.name) as record:
        shown = {key: record[key] for key in ("count", "most_at_once", "calls")}
    return Answer(json.dumps(shown).encode(), "application/json")


def set_(ask):
    with memory(ask.name) as record:
        record["set"] = ask.environ.get("QUERY_STRING", "")
    return Answer(b"set\n")


def echo_environ(ask):
    def plain(value):
        if isinstance(value, bytes):
            return value.decode("latin-1")
        return value if isinstance(value, str | int | bool | tuple) else type(value).__name__

    shown = {key: plain(value) for key, value in sorted(ask.environ.items())}
    return Answer(json.dumps(shown, indent=1).encode(), "application/json")


def asked(ask):
    names = ["REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH"]
    names += sorted(name for name in ask.environ if name.startswith("HTTP_") and not name.startswith(IN_FRONT))
    shown = {name: ask.environ.get(name) for name in names}
    # No body is no body, and one line of cookies is as good as two.
    shown |= {"CONTENT_LENGTH": shown["CONTENT_LENGTH"] if shown["CONTENT_LENGTH"] != "0" else ""}
    shown |= {"HTTP_COOKIE": (shown.get("HTTP_COOKIE") or "").replace(", ", "; ")}
    lines = (f"{name}={value}\n" for name, value in sorted(shown.items()) if value)
    return Answer("".join(lines).encode("latin-1"))


def upload(ask):
    import hashlib  # few tests upload, and each starts this file

    digest, length = hashlib.sha256(), 0
    while piece := ask.environ["wsgi.input"].read(PIECE):
        digest.update(piece)
        length += len(piece)
    seen = {"length": length, "sha256": digest.hexdigest(), "content_length": ask.environ.get("CONTENT_LENGTH") or None}
    return Answer(json.dumps(seen).encode(), "application/json")


def early(ask):
    return Answer(b"early\n")


def lie(ask):
    return Answer(b"." * ask.number("send"), length=ask.number("say"))


def crash(ask):
    how, size = ask.text("how", "raise"), ask.number("size", 1000)
    if how == "exit":
        os._exit(1)
    if how == "midway":
        return Answer(breaking_off(size), length=2 * size)
    raise RuntimeError("crashed as asked")


def breaking_off(size):
    yield b"." * size
    raise RuntimeError("crashed midway as asked")


def slow_head(ask):
    return Answer(b"late\n")


PATHS = {
    "count": count,
    "calls": calls,
    "log": log,
    "set": set_,
    "echo-environ": echo_environ,
    "asked": asked,
    "upload": upload,
    "early": early,
    "lie": lie,
    "crash": crash,
    "slow-head": slow_head,
}
UNSHAPED = ("calls", "log", "set")  # their parameters, if any, are not about their own answer


# The way in and out.


def route(path):
    """The first segment that is a known path, and what follows it; any other path is None."""
    segments = path.strip("/").split("/")
    for i, segment in enumerate(segments):
        if segment in PATHS:
            return segment, "/".join(segments[i + 1 :])
    return None, ""


def oracle(environ, start_response):
    path, name = route(environ.get("PATH_INFO", ""))
    if path is None:
        return send(environ, start_response, 404, [], Answer(NO_PATH, length=len(NO_PATH)))
    ask = Ask(environ, name, {})
    if path not in UNSHAPED:
        for key, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
            ask.params.setdefault(key, []).append(value)
    answer = PATHS[path](ask)
    time.sleep(ask.number("delay") / 1000)
    if ask.number("hold"):
        wait_for_release(ask.name, ask.counted)
    return send(environ, start_response, *shaped(ask, answer))


def shaped(ask, answer):
    """Status, response fields and answer as the parameters want them."""
    status = ask.number("status", 200)
    fields = [(name, value.strip()) for name, _, value in (text.partition(":") for text in ask.params.get("h", []))]
    if "type" in ask.params:
        answer.type = ask.text("type")
    if "size" in ask.params and isinstance(answer.body, bytes):
        size = ask.number("size")
        answer.body = answer.body[:size].ljust(size, b".")
    if "gzip" in ask.params and isinstance(answer.body, bytes):
        answer.body = gzip.compress(answer.body, mtime=0)[: -20 if ask.text("gzip") == "cut" else None]
        fields.append(("Content-Encoding", "gzip"))
    if isinstance(answer.body, bytes) and answer.length is None and not ask.number("nolength"):
        answer.length = len(answer.body)
    if etag := ask.text("etag"):
        fields.append(("ETag", f'"{etag}"'))
        if f'"{etag}"' in ask.environ.get("HTTP_IF_NONE_MATCH", ""):
            status = 304
    if modified := ask.text("modified"):
        fields.append(("Last-Modified", modified))
        if modified == ask.environ.get("HTTP_IF_MODIFIED_SINCE"):
            status = 304
    wanted = re.fullmatch(r"bytes=(\d+)-", ask.environ.get("HTTP_RANGE", ""))
    if ask.number("ranges") and wanted and isinstance(answer.body, bytes):
        first, whole = int(wanted[1]), len(answer.body)
        status, answer.body = 206, answer.body[first:]
        fields.append(("Content-Range", f"bytes {first}-{whole - 1}/{whole}"))
        answer.length = len(answer.body)
    agent, _, oddity = ask.environ.get("HTTP_USER_AGENT", "").partition("-")
    if ask.number("odd") and agent == "odd":
        fields += {"private": [("Cache-Control", "private")], "cookie": [("Set-Cookie", "odd=1")]}.get(oddity, [])
        status = int(oddity) if oddity.isdigit() else status
    if status in BODYLESS:
        answer.body, answer.type, answer.length = b"", "", None
    elif ask.environ["REQUEST_METHOD"] == "HEAD" and not ask.number("head-body"):
        answer.body = b""
    elif isinstance(answer.body, bytes) and "chunks" in ask.params:
        answer.body = in_pieces(answer.body, ask)
    return status, fields, answer


def in_pieces(body, ask):
    step = max(1, -(-len(body) // max(1, ask.number("chunks"))))
    for number, start in enumerate(range(0, len(body), step)):
        if number:
            time.sleep(ask.number("gap") / 1000)
            if ask.number("hold-body"):
                wait_for_release(ask.name, number)
        yield body[start : start + step]


def send(environ, start_response, status, fields, answer):
    if answer.type:
        fields = [("Content-Type", answer.type), *fields]
    if answer.length is not None:
        fields = [*fields, ("Content-Length", str(answer.length))]
    start_response(f"{status} {REASONS.get(status, 'Unknown')}", fields)
    return finishing([answer.body] if isinstance(answer.body, bytes) else answer.body, answer.done)


def finishing(pieces, done):
    try:
        yield from pieces
    finally:
        for step in done:
            step()


def validated(application):
    """PEP 3333 lets a server leave out an empty SCRIPT_NAME; the validator trips over that, so it is put back."""
    from wsgiref.validate import validator  # hundreds of starts do without it

    checked = validator(application)

    def choose(environ, start_response):
        if route(environ.get("PATH_INFO", ""))[0] in NOT_VALID:
            return application(environ, start_response)
        return checked({"SCRIPT_NAME": "", **environ}, start_response)

    return choose


application = validated(oracle) if os.environ.get("ORACLE_VALIDATE") == "1" else oracle
