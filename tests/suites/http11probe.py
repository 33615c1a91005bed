"""The cases of Http11Probe, as data: what is sent, and which statuses its descriptions allow. Its C# is not run."""

import re
from collections.abc import Iterator
from pathlib import Path

from suites.case import Case

CASE = re.compile(r"new TestCase\s*\{(.*?)\n        \};", re.DOTALL)
TEXT = r'\$?"(?:[^"\\]|\\.)*"'
EXPRESSION = rf"(?:{TEXT}|\w+)(?:\s*\+\s*(?:{TEXT}|\w+))*"
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,4})|u([0-9a-fA-F]{4})|(.))")
LETTERS = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "v": "\v", "f": "\f"}
ALLOWED = re.compile(r"\b([1-5]\d\d|[1-5]xx)\b|\b(close)", re.IGNORECASE)


class NotData(Exception):
    """A payload that only its code can make."""


def cases(directory: Path) -> Iterator[Case]:
    for file in sorted((directory / "src/Http11Probe/TestCases/Suites").glob("*.cs")):
        for found in CASE.finditer(file.read_text()):
            body = found[1]
            name = str(re.search(r'Id = "(.*?)"', body)[1])  # type: ignore[index]
            payload = re.search(r"PayloadFactory = (.*?),\n            \w+ =", body, re.DOTALL)
            want = allowed(body)
            try:
                data = built(payload[1] if payload else "")
                yield Case(name, data, want, "" if want else "its code judges")
            except NotData as error:
                yield Case(name, b"", want, str(error))


def allowed(body: str) -> frozenset[str]:
    """What may come. A description in words also names what is only warned of, which a server may do."""
    expected = body[body.index("Expected = ") :]
    described = re.search(r'Description = "(.*?)"', expected)
    if described and " not " in described[1].lower():
        return frozenset()
    if described:
        return frozenset((status or close).lower() for status, close in ALLOWED.findall(described[1]))
    found = set(re.findall(r"StatusCodeRange\.Exact\((\d{3})\)", expected))
    found |= {f"{status[0]}xx" for status in re.findall(r"StatusCodeRange\.Range(\dxx)", expected)}
    found |= {str(status) for low, high in re.findall(r"new StatusCodeRange\((\d+), ?(\d+)\)", expected)
              for status in range(int(low), int(high) + 1)}  # fmt: skip
    if "AllowConnectionClose = true" in expected:
        found.add("close")
    return frozenset(found)


def built(code: str) -> bytes:
    known: dict[str, str] = {}
    order: list[str] = []
    for name, value in re.findall(
        r"(?:var|string|byte\[\]|const string) (\w+) = (.*?);\s*(?://[^\n]*)?\n", code, re.DOTALL
    ):
        repeated = re.fullmatch(r"(?:\"/\" \+ )?new string\('(.)', ([\d_]+)\)", value)
        listed = re.fullmatch(r"\[(.*)\]", value)
        encoded = re.fullmatch(r"(?:Encoding\.\w+\.GetBytes|MakeRequest)\((.*)\)", value, re.DOTALL)
        if repeated:
            known[name] = ("/" if value.startswith('"/"') else "") + repeated[1] * int(repeated[2].replace("_", ""))
        elif listed:
            known[name] = "".join(chr(int(byte, 16)) for byte in re.findall(r"0x([0-9a-fA-F]{2})", listed[1]))
            order.append(name)
        elif encoded:
            known[name] = evaluated(encoded[1], known)
            order.append(name)
        elif re.fullmatch(EXPRESSION, value, re.DOTALL):
            known[name] = evaluated(value, known)
        elif not value.startswith("new byte["):
            raise NotData("its code makes what is sent")
    last = re.search(rf"(?:MakeRequest|Encoding\.\w+\.GetBytes)\(\s*({EXPRESSION})\s*\)\s*;?\s*\}}?\s*$", code)
    if last:
        return evaluated(last[1], known).encode("latin-1")
    if order:
        return "".join(known[name] for name in order).encode("latin-1")
    raise NotData("its code makes what is sent")


def evaluated(expression: str, known: dict[str, str]) -> str:
    found = ""
    for part in re.findall(rf"{TEXT}|\w+", expression):
        if '"' not in part:
            if part not in known:
                raise NotData("its code makes what is sent")
            found += known[part]
            continue
        text = part[part.index('"') + 1 : -1]
        if part.startswith("$"):
            text = re.sub(r"\{(.*?)\}", lambda match: value_of(match[1], known), text)
        found += ESCAPE.sub(character, text)
    # As Encoding.ASCII does.
    return found.encode("ascii", errors="replace").decode()


def value_of(name: str, known: dict[str, str]) -> str:
    if name in ("ctx.HostHeader", "ctx.Host"):
        return "localhost"
    if name not in known:
        raise NotData("its code makes what is sent")
    return known[name].replace("\\", "\\\\")


def character(match: re.Match[str]) -> str:
    number = match[1] or match[2]
    return chr(int(number, 16)) if number else LETTERS.get(match[3], match[3])
