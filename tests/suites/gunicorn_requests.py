"""gunicorn's corpus of requests (tests/requests): one request or more in each file, right or wrong."""

import re
from collections.abc import Iterator
from pathlib import Path

from suites.case import Case

ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([rnt0]))")
LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}


def cases(directory: Path) -> Iterator[Case]:
    for kind, want in (("valid", "accept"), ("invalid", "refuse")):
        for file in sorted((directory / "tests/requests" / kind).glob("*.http")):
            about = file.with_suffix(".py").read_text(errors="replace")
            skipped = "a setting of gunicorn's own" if "cfg.set(" in about else ""
            yield Case(f"{kind}/{file.stem}", with_host(decoded(file.read_bytes())), want, skipped)


def decoded(text: bytes) -> bytes:
    """Lines of the file end with what is written there, not with their own ends."""
    joined = text.replace(b"\r\n", b"").replace(b"\n", b"")
    return ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else LETTERS[match[2]], joined)


def with_host(data: bytes) -> bytes:
    """gunicorn does not need the field Host, RFC 9112 section 3.2 does. So that a case is about what it is about."""
    line = re.match(rb"(?:\r\n)*[^\r\n]* HTTP/1\.1\r\n", data)
    if line is None or re.search(rb"(?im)^host[ \t]*:", data):
        return data
    return line[0] + b"Host: localhost\r\n" + data[line.end() :]
