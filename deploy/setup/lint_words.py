"""lint_words.py: what CONTRIBUTING.md asks of prose, comments and names, as far as a program can see it."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

COLUMNS = 110
SERVICES = ("edge", "cache-node", "wsgi-adapter")
# Written by programs.
GENERATED = {"proto/src/cache.rs", "proto/src/origin.rs", "bench/results.md"}
COMMENT = re.compile(r"^\s*//[/!]?(?P<text>.*)$")
PREPOSITION = re.compile(r"^ (Of|For|To|With|By|The same)\b")
ATTRIBUTE = re.compile(r"\s*#!?\[")
TYPE = re.compile(r"^(?:pub(?:\([a-z:_ ]+\))? )?(?:struct|enum|union|trait|type) (?P<name>\w+)")


@dataclass(frozen=True)
class Offender:
    file: str
    line: int
    fault: str


Sources = dict[str, list[str]]


def main() -> int:
    sources = read_sources()
    offenders = [one for look in RULES.values() for one in look(sources)]
    for one in offenders:
        print(f"{one.file}:{one.line}: {one.fault}", file=sys.stderr)
    return 1 if offenders else 0


def read_sources() -> Sources:
    """The lines of all tracked Rust and Markdown files."""
    listed = subprocess.run(["git", "ls-files", "-z", "*.rs", "*.md"], capture_output=True, text=True, check=True)
    names = (name for name in listed.stdout.split("\0") if name and name not in GENERATED and Path(name).exists())
    return {name: Path(name).read_text().splitlines() for name in names}


def long_lines(sources: Sources) -> Iterator[Offender]:
    for name, lines in sources.items():
        prose = markdown_prose(lines) if name.endswith(".md") else comments(lines)
        for number, line in prose:
            # A word of that length, such as a link, cannot be wrapped.
            if len(line) > COLUMNS and " " in line.strip()[4:]:
                yield Offender(name, number, f"{len(line)} columns, {COLUMNS} are allowed")


def markdown_prose(lines: list[str]) -> Iterator[tuple[int, str]]:
    """All but code, and tables, whose rows cannot be wrapped."""
    fenced = False
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.lstrip().startswith("|"):
            yield number, line


def comments(lines: list[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, start=1) if COMMENT.match(line))


def bare_prepositions(sources: Sources) -> Iterator[Offender]:
    """Doc comments whose first line begins so: `/// Of the frame that is being read.`"""
    for name, lines in sources.items():
        before = ""
        for number, line in enumerate(lines, start=1):
            comment = COMMENT.match(line) if name.endswith(".rs") else None
            begins = comment and not COMMENT.match(before)
            if begins and (found := PREPOSITION.match(comment["text"])):
                yield Offender(name, number, f"a comment begins with {found[1]!r}: say what it is, or does")
            if not ATTRIBUTE.match(line):
                before = line


def names_twice(sources: Sources) -> Iterator[Offender]:
    """Types of one service that share a name: a reader has to find out which one is meant."""
    for service in SERVICES:
        places: dict[str, list[tuple[str, int]]] = {}
        for name, lines in sources.items():
            if not name.startswith(f"{service}/src/") or name.endswith("tests.rs") or "/tests/" in name:
                continue
            for number, line in enumerate(lines, start=1):
                if found := TYPE.match(line):
                    places.setdefault(found["name"], []).append((name, number))
        for type_name, found in places.items():
            for file, number in found[1:]:
                first = ":".join(map(str, found[0]))
                yield Offender(file, number, f"there is a type {type_name} already: {first}")


FUNCTION = re.compile(r"^(?P<indent> *)(?:pub(?:\([a-z:_ ]+\))? )?(?:const |async )*fn (?P<name>\w+)")
FUNCTION_LINES = 70
FUNCTION_ARGUMENTS = 5


def long_functions(sources: Sources) -> Iterator[Offender]:
    for name, number, function in functions(sources):
        end = next((at for at, line in enumerate(function) if line == f"{indent(function[0])}}}"), 0)
        # As clippy counts: the lines of code between the braces.
        code = [line for line in function[1:end] if line.strip() and not COMMENT.match(line)]
        if len(code) > FUNCTION_LINES:
            yield Offender(name, number, f"a function of {len(code)} lines, {FUNCTION_LINES} are allowed")


def many_arguments(sources: Sources) -> Iterator[Offender]:
    for name, number, function in functions(sources):
        if is_of_trait(sources[name][:number]):
            continue
        count = arguments_of("\n".join(function[:40]))
        if count > FUNCTION_ARGUMENTS:
            yield Offender(name, number, f"{count} arguments, {FUNCTION_ARGUMENTS} are allowed")


def is_of_trait(lines: list[str]) -> bool:
    """Whether the function in the last line implements one of a trait, which says what arguments it has."""
    block = next((line for line in reversed(lines) if re.match(r"[a-z]", line)), "")
    return re.match(r"(?:unsafe )?impl\b.* for ", block) is not None


def functions(sources: Sources) -> Iterator[tuple[str, int, list[str]]]:
    """Each function's file, line, and the lines from there on."""
    for name, lines in sources.items():
        if name.endswith(".rs"):
            yield from ((name, at + 1, lines[at:]) for at, line in enumerate(lines) if FUNCTION.match(line))


def indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def arguments_of(text: str) -> int:
    """Counts the commas between the outermost brackets of the first list of arguments."""
    text = re.sub(r"->|=>|//.*", "", text[text.index("fn ") :])
    angles, brackets, count, some = 0, 0, 0, False
    for character in text:
        if brackets == 0 and angles == 0 and character == "(":
            brackets = 1
            continue
        angles += (character == "<") - (character == ">")
        if brackets == 0:
            continue
        brackets += (character in "([{") - (character in ")]}")
        if brackets == 0:
            return count + some
        if character == "," and brackets == 1 and angles == 0:
            count, some = count + 1, False
        elif not character.isspace():
            some = True
    return 0


RULES: dict[str, Callable[[Sources], Iterator[Offender]]] = {
    "long lines": long_lines,
    "bare prepositions": bare_prepositions,
    "names twice": names_twice,
    "long functions": long_functions,
    "many arguments": many_arguments,
}


if __name__ == "__main__":
    sys.exit(main())
