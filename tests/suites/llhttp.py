"""llhttp's annotated cases (test/request/*.md): a request, and the log of what the parser finds in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from suites.case import Case
from suites.gunicorn_requests import with_host

BLOCK = re.compile(r"<!-- meta=(\{.*?\}) -->\s*```http\n(.*?)```\s*```log\n(.*?)```", re.DOTALL)
TITLE = re.compile(r"^#+ (.*)$", re.MULTILINE)
# What its writers put for what a text cannot hold.
ESCAPE = re.compile(r"\\(?:r|n|t|f|x[0-9a-fA-F]{2})")
LETTERS = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}


def cases(directory: Path) -> Iterator[Case]:
    for file in sorted((directory / "test/request").glob("*.md")):
        text = file.read_text()
        for block in BLOCK.finditer(text):
            meta, request, log = json.loads(block[1]), block[2], block[3]
            titles = TITLE.findall(text[: block.start()])
            name = f"{file.stem}: {titles[-1] if titles else block.start()}"
            yield Case(name, with_host(data_of(request, meta)), want(log), skipped(meta, log))


def data_of(request: str, meta: dict[str, object]) -> bytes:
    """Lines end with CRLF, those of the file with LF."""
    text = request.removesuffix("\n").replace("\\\n", "").replace("\n", "\r\n")
    if meta.get("noScan") != "escapes":
        text = ESCAPE.sub(lambda match: LETTERS.get(match[0][1], "") or chr(int(match[0][2:], 16)), text)
    return text.encode("latin-1", errors="replace")


def want(log: str) -> str:
    return "refuse" if re.search(r"error code=(?!2[123]\b)", log) else "accept"


def skipped(meta: dict[str, object], log: str) -> str:
    kind = str(meta.get("type", ""))
    if kind != "request":
        return f"a lenient parser: {kind}"
    if "pause" in meta or "pause" in log:
        return "a parser that pauses"
    if "message complete" not in log and "error code" not in log:
        return "a request that does not end"
    return ""
