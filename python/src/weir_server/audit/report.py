"""Prints what was found: leaks first."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TextIO

from weir_server.audit.page import Finding

TITLES = {
    "leak": "Pages that leak",
    "old": "Pages in the cache that are out of date",
    "error": "Pages that fail",
    "differs": "Pages that differ for no reason",
    "could": "Pages that could be cached and are not",
}


@dataclass
class Report:
    findings: list[Finding] = field(default_factory=list)
    pages: int = 0
    requests: int = 0
    hits: int = 0
    left_alone: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Finding]:
        return [one for one in self.findings if one.kind == kind]

    @property
    def code(self) -> int:
        return 1 if self.of("leak") else 0


def as_text(report: Report, out: TextIO) -> None:
    print(f"{report.pages} pages, {report.requests} requests; {report.hits} pages came from the cache.", file=out)
    for note in report.notes:
        print(f"Note: {note}", file=out)
    if report.left_alone:
        print(f"{len(report.left_alone)} links were left alone: {reasons(report.left_alone)}.", file=out)
    for kind, title in TITLES.items():
        found = sorted(report.of(kind), key=lambda one: -one.seconds)
        if not found:
            continue
        cost = sum(one.seconds for one in found)
        print(f"\n{title} ({len(found)}{f', {cost:.2f} s of Python for one visit of each' if cost else ''})", file=out)
        for one in found:
            seconds = f"  [{one.seconds:.3f} s]" if one.seconds else ""
            print(f"\n  {one.path}{seconds}\n    {one.text}", file=out)
            for detail in one.details:
                print(f"      {detail}", file=out)
            if one.line:
                print(f"    -> {one.line}", file=out)
    if not report.findings:
        print("Nothing was found.", file=out)


def reasons(left: dict[str, str]) -> str:
    counts: dict[str, int] = {}
    for reason in left.values():
        counts[reason] = counts.get(reason, 0) + 1
    return ", ".join(f"{count} ({reason})" for reason, count in sorted(counts.items()))


def as_json(report: Report, out: TextIO) -> None:
    json.dump({**asdict(report), "findings": listed(report.findings)}, out, indent=1)
    out.write("\n")


def listed(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [asdict(one) for one in findings]
