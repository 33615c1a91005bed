"""What is asked about one page, and what its answers show."""

import re
from dataclasses import dataclass, field

from weir_server._judge import Judged
from weir_server._judge import judge as judge_reply
from weir_server.audit.advice import ADVICE, FINE, UNSAID
from weir_server.audit.client import Answer, Client
from weir_server.audit.differ import MAX_SHOWN, Difference, differences

TOKEN = re.compile(
    r"""<(?:input|meta)[^>]*\bname=["']?(?:csrfmiddlewaretoken|csrf[_-]?token|authenticity_token|_csrf|_token|_xsrf)\b"""
    r"""[^>]*\b(?:value|content)=["']?([\w+/=.-]{16,})""",
    re.IGNORECASE,
)
# Statuses whose replies are compared.
COMPARED = (200, 203, 301, 302, 303, 307, 308, 404, 410)


@dataclass(frozen=True)
class Finding:
    # "leak", "old", "differs", "could", "error"
    kind: str
    path: str
    text: str
    # What to do about it, in one line.
    line: str = ""
    # Of Python, for each request.
    seconds: float = 0.0
    details: tuple[str, ...] = ()


@dataclass
class Answers:
    """The answers for one page. Past Weir only if it is known where the application listens."""

    path: str
    first: Answer
    second: Answer
    past: list[Answer] = field(default_factory=list)
    users: list[tuple[Answer, Answer | None]] = field(default_factory=list)
    last: Answer | None = None


def ask(client: Client, path: str, users: list[str]) -> Answers:
    found = Answers(path, client.through(path), client.through(path))
    if client.origin:
        found.past = [client.past(path), client.past(path)]
    for cookies in users:
        found.users.append((client.through(path, cookies), client.past(path, cookies) if client.origin else None))
    if users:
        # What a visitor gets after those with cookies were there.
        found.last = client.through(path)
    return found


def judge(found: Answers) -> list[Finding]:
    answers = [found.first, found.second, *found.past, *(one for pair in found.users for one in pair if one)]
    failed = next((one for one in answers if one.error or one.status >= 500), None)
    if failed:
        return [Finding("error", found.path, failed.error or f"status {failed.status}")]
    return [*leaks(found), *old(found), *unsteady(found), *uncached(found)]


def body(answer: Answer) -> bytes:
    """What is compared: the body, and where a redirect leads."""
    return b"%d %s\n" % (answer.status, answer.get("location").encode()) + answer.body


@dataclass(frozen=True)
class Visitor:
    """Who asked, and what the application itself shows them."""

    name: str
    through: Answer
    past: Answer


class Compared:
    """The answers for each visitor, beside what the application shows them."""

    def __init__(self, found: Answers) -> None:
        self.nobody = found.past[0]
        # What differs with each request says nothing about who asks.
        self.noise = {
            "CSRF token",
            "nonce",
            *(one.kind for one in differences(body(found.past[0]), body(found.past[1]))),
        }
        users = [(name, *pair) for name, pair in zip(("user a", "user b"), found.users)]
        self.users = [Visitor(name, through, past) for name, through, past in users if past]
        self.nobodies = [Visitor("nobody", one, self.nobody) for one in (found.second, found.last) if one]

    def differ(self, one: Answer, other: Answer) -> list[Difference]:
        return [found for found in differences(body(one), body(other)) if found.kind not in self.noise]

    def own(self, user: Visitor) -> list[Difference]:
        """What the application shows this visitor, and not one without cookies."""
        return self.differ(self.nobody, user.past)


def leaks(found: Answers) -> list[Finding]:
    """Pages from the cache that are another visitor's, by what the application itself shows each."""
    listed = [tokens_twice(found)]
    compared = Compared(found) if found.past else None
    for user in compared.users if compared else []:
        wrong = compared.own(user) if compared else []
        if wrong and judged(user.past, personal=True).reason is None:
            text = f"the page of {user.name} says that it is for all, and shows what nobody else is shown"
            listed.append(Finding("leak", found.path, text, PRIVATE, 0.0, shortly(wrong)))
    for visitor in [*compared.users, *compared.nobodies] if compared else []:
        wrong = compared.differ(visitor.past, visitor.through) if compared and visitor.through.is_hit else []
        if not wrong or not compared:
            continue
        shown = {one.other.strip() for one in wrong if one.other.strip()}
        for other in compared.users:
            if other.name != visitor.name and shown & {one.other.strip() for one in compared.own(other)}:
                text = f"{visitor.name} gets from the cache what the application shows {other.name}"
                listed.append(Finding("leak", found.path, text, PRIVATE, 0.0, shortly(wrong)))
                break
        else:
            if visitor in compared.users and compared.own(visitor):
                text = f"{visitor.name} gets a page from the cache that is not theirs"
                listed.append(Finding("leak", found.path, text, PRIVATE, 0.0, shortly(wrong)))
    return list(dict.fromkeys(one for one in listed if one))


def judged(answer: Answer, *, personal: bool = False) -> Judged:
    return judge_reply(answer.status, answer.fields, answer.body, personal=personal)


def tokens_twice(found: Answers) -> Finding | None:
    """A CSRF token that two visitors get is known to both."""
    answers = [found.first, found.second, *(through for through, _ in found.users)]
    seen: set[str] = set()
    for answer in answers:
        tokens = set(TOKEN.findall(answer.body.decode("utf-8", "replace"))) if answer.is_html else set()
        if tokens & seen:
            return Finding("leak", found.path, "two visitors get the same CSRF token", PRIVATE)
        seen |= tokens
    return None


def old(found: Answers) -> list[Finding]:
    """A page in the cache that the application would make differently now."""
    if not found.past or not found.second.is_hit or leaks(found):
        return []
    wrong = Compared(found).differ(found.past[0], found.second)
    if not wrong:
        return []
    line = "Purge when it changes: weir_server.django does (docs/python.md, Pages that are never old)"
    text = "the page in the cache is not the one that the application gives now"
    return [Finding("old", found.path, text, line, 0.0, shortly(wrong))]


def shortly(found: list[Difference]) -> tuple[str, ...]:
    return tuple(str(one) for one in found[:MAX_SHOWN])


def unsteady(found: Answers) -> list[Finding]:
    """Two answers for nobody, one after the other, that differ for no reason that a visitor sees."""
    pair = found.past or ([found.first, found.second] if not found.second.is_hit else [])
    if len(pair) < 2 or pair[0].status not in COMPARED:
        return []
    wrong = differences(body(pair[0]), body(pair[1]))
    if not wrong:
        return []
    kinds = ", ".join(dict.fromkeys(one.kind for one in wrong))
    line = next((STEADY[one.kind] for one in wrong if one.kind in STEADY), "Find out what makes it differ")
    return [
        Finding("differs", found.path, f"differs with each request: {kinds}", line, 0.0, tuple(map(str, wrong[:3])))
    ]


def uncached(found: Answers) -> list[Finding]:
    cost = found.past[0].seconds if found.past else found.second.seconds
    listed = []
    if not found.second.cache_status:
        return [Finding("could", found.path, "no Cache-Status: Weir does not answer here", "Ask Weir's address")]
    reason = found.first.detail or found.second.detail
    if reason in UNSAID:
        # The head, which says "stored", was on its way before the body showed why not.
        reason = judged(found.past[0] if found.past else found.second).reason or reason
    settled = found.second.is_hit or (found.second.is_stored and reason is None)
    if not settled and reason not in FINE:
        line = ADVICE.get(reason or "", "weir explain URL says why")
        listed.append(Finding("could", found.path, f"not cached: {reason or 'no reason given'}", line, cost))
    compared = Compared(found) if found.past else None
    for user in compared.users if compared and found.second.is_hit else []:
        same = compared is not None and not compared.own(user)
        if same and not user.through.is_hit and user.through.detail in ("personal-cookie", "not-shared"):
            text = "the same for those who are signed in, and not cached for them"
            listed.append(Finding("could", found.path, text, ADVICE["personal-cookie"], cost))
            break
    return listed


PRIVATE = "Say @private on this view, or name the cookie in `cookies = { personal = […] }`; purge the page now"
STEADY = {
    "CSRF token": "Let Weir fill it in: {% csrf_token %} with WeirMiddleware, or load the form from a page of its own",
    "nonce": "A nonce in a shared page is no secret: use hashes in Content-Security-Policy instead",
    "time or number": "Show the time by script in the browser, or round it",
    "random value": "Give elements names that stay: a counter, or a hash of what they show",
}
