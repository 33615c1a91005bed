"""A case of a suite, what it wants, and what became of it."""

import enum
from dataclasses import dataclass, field

from suites.drive import Answer


class Result(enum.Enum):
    HELD = "as it wants"
    # It was refused, although the suite lets it pass.
    STRICTER = "stricter"
    # It was answered, although the suite wants it refused.
    LAXER = "laxer"
    SKIPPED = "not for a server"


@dataclass
class Case:
    name: str
    data: bytes
    # "refuse", "accept", or what may come: statuses such as "400", "4xx", and "close".
    want: str | frozenset[str]
    # Why it says nothing of a server in front of an application.
    skipped: str = ""
    saw: str = field(default="", compare=False)


def judged(case: Case, answer: Answer | None) -> Result:
    if answer is None:
        case.saw = case.skipped
        return Result.SKIPPED
    case.saw = str(answer)
    if case.want == "accept":
        return Result.HELD if answer.accepted else Result.STRICTER
    if case.want == "refuse":
        return Result.HELD if answer.refused else Result.LAXER
    if answer.kinds & set(case.want):
        return Result.HELD
    return Result.LAXER if answer.accepted else Result.STRICTER
