#!/usr/bin/env python3
"""rfcs.py: which line obeys each MUST and SHOULD of the RFCs, and which test holds it (docs/rfcs.md).

docs/rfcs/rfcNNNN.toml lists the requirements of one RFC. Each has `code` and `test`, or `except` with the reason why
it asks nothing of Weir, or `open` with what is missing.

  rfcs.py check            every citation is there, and docs/rfcs.md has the right numbers (part of `make lint`)
  rfcs.py table            writes the numbers into docs/rfcs.md
  rfcs.py report           prints the numbers, and what is open
  rfcs.py draft TEXT       prints the requirements of an RFC's text as TOML, to begin a list
  rfcs.py project DIR      writes a project for duvet, the tool of s2n-quic, that says the same
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LISTS = Path("docs/rfcs")
DOCUMENT = Path("docs/rfcs.md")
BEGIN, END = "<!-- numbers: make rfcs -->", "<!-- end -->"
KEYWORD = re.compile(r"\b(MUST NOT|MUST|SHALL NOT|SHALL|REQUIRED|SHOULD NOT|SHOULD|NOT RECOMMENDED|RECOMMENDED)\b")
# What can be cited by name, in Rust and Python.
DEFINITION = r"\b(?:fn|const|static|struct|enum|trait|type|mod|def|class)\s+{0}\b|^\s*(?:pub(?:\(\w+\))? )?{0}: "
# The words around the key word that a comment must have to count as a quotation.
BEFORE, AFTER = 2, 4


@dataclass
class Requirement:
    rfc: str
    section: str
    level: str
    quote: str
    code: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    excepted: str = ""
    open: str = ""

    @property
    def state(self) -> str:
        if self.excepted:
            return "excepted"
        return "held" if self.code and self.test else "open"

    @property
    def name(self) -> str:
        return f"{self.rfc} section {self.section}: {self.quote[:60]}"


def main() -> int:
    match sys.argv[1:]:
        case ["check"]:
            return check()
        case ["table"]:
            DOCUMENT.write_text(with_table(DOCUMENT.read_text()))
            return 0
        case ["report"]:
            return report()
        case ["draft", text]:
            print(draft(Path(text)))
            return 0
        case ["project", directory]:
            return project(Path(directory))
    print(__doc__, file=sys.stderr)
    return 2


# The lists.


@cache
def requirements() -> dict[str, list[Requirement]]:
    lists = {}
    for path in sorted(LISTS.glob("*.toml")):
        table = tomllib.loads(path.read_text())
        lists[path.stem] = [
            Requirement(
                path.stem, one.pop("section"), one.pop("level"), one.pop("quote"), excepted=one.pop("except", ""), **one
            )
            for one in table["requirement"]
        ]
    return lists


def title(rfc: str) -> str:
    return str(tomllib.loads((LISTS / f"{rfc}.toml").read_text())["title"])


# The check.


def check() -> int:
    faults = [fault for every in requirements().values() for one in every for fault in faults_of(one)]
    if DOCUMENT.read_text() != with_table(DOCUMENT.read_text()):
        faults.append(f"{DOCUMENT}: the numbers are old: .venv/bin/python deploy/setup/rfcs.py table")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def faults_of(one: Requirement) -> Iterator[str]:
    cited = bool(one.code or one.test)
    if not (cited or one.excepted or one.open):
        yield f"{one.name}: neither cited nor excepted nor open"
    if one.excepted and (cited or one.open):
        yield f"{one.name}: excepted, and yet cited or open"
    if one.open and one.code and one.test:
        yield f"{one.name}: cited at code and test, and yet open"
    if cited and one.state == "open" and not one.open:
        yield f"{one.name}: say in `open` what is missing"
    for citation in one.code + one.test:
        if place(citation, one.quote) is None:
            yield f"{one.name}: nothing at {citation}"
    for citation in one.test:
        if not is_test(citation):
            yield f"{one.name}: no test is called {citation}"


def is_test(citation: str) -> bool:
    """A function with a test's attribute above it, or one that a macro makes a test of: `both_topologies!(name, …)`."""
    file, _, name = citation.partition("#")
    lines = lines_of(file) if Path(file).is_file() else []
    for number, line in enumerate(lines):
        if re.search(rf"\bfn {re.escape(name)}\b", line) and any(
            re.match(r"\s*#\[(tokio::)?test\b", above) for above in lines[max(0, number - 6) : number]
        ):
            return True
    return any(re.match(rf"\s*[a-z_]+!\(\s*{re.escape(name)}\b", line) for line in lines)


def place(citation: str, quote: str) -> tuple[str, int] | None:
    """File and line: of an item (`file#name`), of text (`file#"text"`) or of a comment with the quotation (`file`)."""
    file, _, name = citation.partition("#")
    if not Path(file).is_file():
        return None
    if not name:
        return quotation(file, quote)
    pattern = re.escape(name.strip('"')) if name.startswith('"') else DEFINITION.format(re.escape(name))
    for number, line in enumerate(lines_of(file), start=1):
        if re.search(pattern, line):
            return file, number
    return None


@cache
def lines_of(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


def quotation(file: str, quote: str) -> tuple[str, int] | None:
    sought = windows(quote)
    for number, text in comments(file):
        if any(window in text for window in sought):
            return file, number
    return None


@cache
def comments(file: str) -> list[tuple[int, str]]:
    """The comments of a file, as words, with their first lines."""
    found: list[tuple[int, str]] = []
    before = -1
    for number, line in enumerate(lines_of(file), start=1):
        if comment := re.match(r"\s*(?://[/!]?|#)\s?(.*)", line):
            if number == before + 1:
                first, text = found.pop()
                found.append((first, f"{text} {comment[1]}"))
            else:
                found.append((number, comment[1]))
            before = number
    return [(number, words(text)) for number, text in found]


@cache
def windows(quote: str) -> list[str]:
    """Each key word with some words around it."""
    every = words(quote).split()
    at = [n for n, word in enumerate(every) if word in ("must", "should", "shall", "recommended", "required")]
    return [" ".join(every[max(0, n - BEFORE) : n + AFTER + 1]) for n in at]


def words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


# The numbers.


def rows() -> Iterator[list[str]]:
    for rfc, every in requirements().items():
        row = [f"[RFC {rfc[3:]}](rfcs/{rfc}.toml)", title(rfc)]
        for level in ("MUST", "SHOULD"):
            of_level = [one for one in every if one.level == level]
            count = {state: sum(one.state == state for one in of_level) for state in ("held", "excepted", "open")}
            row += [str(len(of_level)), *map(str, count.values())]
        yield row


def with_table(document: str) -> str:
    every = list(rows())
    total = ["all", "", *(str(sum(int(row[n]) for row in every)) for n in range(2, 10))]
    head = ["", "", "MUST", "held", "excepted", "open", "SHOULD", "held", "excepted", "open"]
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *every, total]]
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after


def report() -> int:
    print(f"{'':9}{'MUST':>5}{'held':>6}{'except':>8}{'open':>6}{'SHOULD':>8}{'held':>6}{'except':>8}{'open':>6}")
    for row, rfc in zip(rows(), requirements()):
        print(f"{rfc:9}" + "".join(f"{number:>{width}}" for number, width in zip(row[2:], (5, 6, 8, 6, 8, 6, 8, 6))))
    for every in requirements().values():
        for one in every:
            if one.state == "open":
                print(f"\n{one.rfc} {one.section} {one.level}: {one.quote}\n  open: {one.open}")
    return 0


# From the text of an RFC.

HEADING = re.compile(r"^(?:Appendix )?((?:\d+|[A-Z])(?:\.\d+)*)\.\s+(\S.*)$")
ITEM = re.compile(r"^\s+(\*|o|-|\d+\.)\s+")


def draft(text: Path) -> str:
    out = [f"title = {json.dumps('')}"]
    for section, quote in sentences(text.read_text(errors="replace")):
        musts = {"MUST", "MUST NOT", "SHALL", "SHALL NOT", "REQUIRED"}
        level = "MUST" if musts & set(KEYWORD.findall(quote)) else "SHOULD"
        out.append(f'\n[[requirement]]\nsection = "{section}"\nlevel = "{level}"\nquote = {json.dumps(quote)}')
    return "\n".join(out)


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences with a key word of RFC 2119, each with the number of its section."""
    for section, paragraph in paragraphs(without_pages(text)):
        for sentence in re.split(r"(?<=[.!?])(?<!i\.e\.)(?<!e\.g\.)[\"')]*\s+(?=[\"'(A-Z0-9*])", paragraph):
            sentence = re.sub(r"^(\*|o|-)\s+", "", sentence)
            if KEYWORD.search(sentence) and not re.search(r'"(MUST|SHALL)",? ', sentence):
                yield section, sentence


def paragraphs(lines: list[str]) -> Iterator[tuple[str, str]]:
    section, current = "", []
    for line in [*lines, ""]:
        heading = HEADING.match(line) if not re.search(r"\. ?\. ?\.", line) else None
        if current and (heading or not line.strip() or ITEM.match(line)):
            # A word that is hyphenated at a line's end has no space in it.
            joined = re.sub(r"(\w-) (?=\w)", r"\1", " ".join(" ".join(current).split()))
            if section:
                yield section, joined
            current = []
        if heading:
            section = heading[1]
        elif line.strip():
            current.append(line.strip() if current else line)


def without_pages(text: str) -> list[str]:
    """The lines without the heads and feet of pages; a sentence that goes on over a page's end stays whole."""
    out: list[str] = []
    for number, page in enumerate(text.split("\f")):
        lines = [line for line in page.strip("\n").split("\n") if not re.search(r"\[Page \d+\]\s*$", line)]
        if number and lines and re.match(r"RFC \d+ ", lines[0]):
            lines = lines[1:]
        while lines and not lines[0].strip():
            lines.pop(0)
        while out and not out[-1].strip():
            out.pop()
        if out and lines and (out[-1].rstrip()[-1:] in ".:" or ITEM.match(lines[0])):
            out.append("")
        out += lines
    return out


# For duvet.


def project(directory: Path) -> int:
    """Texts of the RFCs with nothing but the requirements, and our citations as comments that duvet reads."""
    texts = directory / ".duvet/specifications/www.rfc-editor.org/rfc"
    texts.mkdir(parents=True, exist_ok=True)
    config = ["'$schema' = \"https://awslabs.github.io/duvet/config/v0.4.json\"", '[[source]]\npattern = "*.rs"']
    for rfc, every in requirements().items():
        url = f"https://www.rfc-editor.org/rfc/{rfc}"
        config.append(f'[[specification]]\nsource = "{url}"\nformat = "ietf"')
        if not (texts / f"{rfc}.txt").exists():
            (texts / f"{rfc}.txt").write_text(as_text(rfc, every))
        (directory / f"{rfc}.rs").write_text("\n".join(comment for one in every for comment in as_comments(url, one)))
    config.append("[report.json]\nenabled = true\n[report.html]\nenabled = true\n[report.snapshot]\nenabled = true")
    (directory / ".duvet/config.toml").write_text("\n\n".join(config) + "\n")
    return 0


def as_text(rfc: str, every: list[Requirement]) -> str:
    sections: dict[str, list[str]] = {}
    for one in every:
        sections.setdefault(one.section, []).append("   " + one.quote)
    parts = [f"{number}.  Section\n\n" + "\n\n".join(quotes) for number, quotes in sections.items()]
    return f"{title(rfc)}\n\n" + "\n\n".join(parts) + "\n"


def as_comments(url: str, one: Requirement) -> Iterator[str]:
    kinds = [("exception", one.excepted)] if one.excepted else []
    kinds += [("implementation", place_name(one, cited)) for cited in one.code]
    kinds += [("test", place_name(one, cited)) for cited in one.test]
    kinds += [("todo", one.open)] if one.state == "open" else []
    for kind, said in kinds:
        reason = f"//= reason={said}\n" if kind == "exception" else f"// {said}\n"
        before, reason = (reason, "") if kind != "exception" else ("", reason)
        yield f"{before}//= {url}#section-{one.section}\n//= type={kind}\n{reason}//# {one.quote}\n"


def place_name(one: Requirement, citation: str) -> str:
    found = place(citation, one.quote)
    return f"{found[0]}:{found[1]}" if found else citation


if __name__ == "__main__":
    sys.exit(main())
