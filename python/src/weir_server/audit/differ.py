"""Where two replies differ, and what kind of difference it is."""

import difflib
import re
from dataclasses import dataclass

# Longer pages are compared by their lines alone.
MAX_TOKENS = 20_000
MAX_SHOWN = 3
AROUND = 40
WORD: re.Pattern[str] = re.compile(r"[\w+=-]+|\s+|[^\w\s]")
TIME = re.compile(r"\d{1,2}:\d{2}|\d{4}-\d{2}-\d{2}|\b1[5-9]\d{8}(\d{3})?\b|^\d{1,9}$")
RANDOM = re.compile(r"^[0-9a-fA-F-]{8,}$|^(?=.*\d)(?=.*[A-Za-z])[\w+=/-]{10,}$|^[A-Za-z0-9_-]{20,}$")


@dataclass(frozen=True)
class Difference:
    # "CSRF token", "nonce", "time or number", "random value" or "text".
    kind: str
    one: str
    other: str
    # What stands before it.
    before: str

    def __str__(self) -> str:
        return f"{self.kind}: …{self.before}[{cut(self.one)}] and [{cut(self.other)}]"


def differences(one: bytes, other: bytes) -> list[Difference]:
    """The differences of two pages, in order."""
    if one == other:
        return []
    first, second = (text.decode("utf-8", "replace") for text in (one, other))
    left, right = WORD.findall(first), WORD.findall(second)
    if max(len(left), len(right)) > MAX_TOKENS:
        left, right = first.splitlines(keepends=True), second.splitlines(keepends=True)
    if max(len(left), len(right)) > MAX_TOKENS:
        return [Difference("text", f"{len(one)} bytes", f"{len(other)} bytes", "")]
    matcher = difflib.SequenceMatcher(None, left, right)
    found = []
    for operation, a, b, c, d in matcher.get_opcodes():
        if operation != "equal":
            before = "".join(left[max(0, a - 30) : a])
            pair = "".join(left[a:b]), "".join(right[c:d])
            found.append(Difference(kind_of(*pair, before), *pair, before[-AROUND:]))
    return found


def kind_of(one: str, other: str, before: str) -> str:
    near = before[-120:].lower()
    if re.search(r"csrf|xsrf|authenticity_token|requestverificationtoken", near) and is_random(one, other):
        return "CSRF token"
    if re.search(r"nonce[\w-]*[\"'=:\s-]*$", near):
        return "nonce"
    if TIME.search(one.strip()) and TIME.search(other.strip()):
        return "time or number"
    if is_random(one, other):
        return "random value"
    return "text"


def is_random(one: str, other: str) -> bool:
    return bool(RANDOM.match(one.strip()) and RANDOM.match(other.strip()))


def cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}…"
