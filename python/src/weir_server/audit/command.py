"""The command line of `audit`."""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from weir_server.audit import page, report
from weir_server.audit.client import Client
from weir_server.audit.crawl import Frontier
from weir_server.audit.report import Report


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="weir audit",
        description="Crawls a site as nobody, and as two visitors who are signed in, through Weir and past it. Says "
        "which pages leak, which differ for no reason, and which could be cached and are not. Asks only for pages "
        "(GET), and leaves links alone that look like an action. Exit codes: 0 nothing leaks, 1 a page leaks, 2 wrong "
        "usage or no answer.",
    )
    made.add_argument("url", metavar="URL", help="where Weir serves the site: http://127.0.0.1:8080/")
    made.add_argument(
        "--origin", metavar="URL", help="where the application itself answers; without it, no leak is found"
    )
    for user in "ab":
        made.add_argument(
            f"--user-{user}", metavar="COOKIES", help='"sessionid=…" of a visitor, or @FILE with this line'
        )
    made.add_argument("--pages", type=int, default=100, help="how many pages to look at (default: %(default)s)")
    made.add_argument("--seconds", type=float, default=120, help="for how long, at most (default: %(default)s)")
    made.add_argument("--rate", type=float, default=10, help="requests in a second (default: %(default)s)")
    made.add_argument("--timeout", type=float, default=15, help="for one request, in seconds (default: %(default)s)")
    made.add_argument("--exclude", metavar="REGEX", help="paths to leave alone")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def main(arguments: Sequence[str]) -> int:
    made = parser()
    given = made.parse_args(arguments)
    for name in ("url", "origin"):
        value = getattr(given, name)
        if value and not is_url(value):
            made.error(f"{value} is not a URL such as http://127.0.0.1:8080/")
    if not (given.pages > 0 and given.rate > 0 and given.seconds > 0 and given.timeout > 0):
        made.error("--pages, --seconds, --rate and --timeout must be more than 0")
    try:
        re.compile(given.exclude or "")
        users = [cookies(value) for value in (given.user_a, given.user_b) if value]
    except re.error as error:
        made.error(f"--exclude {given.exclude}: {error}")
    except (OSError, ValueError) as error:
        made.error(str(error))
    site = urlsplit(given.url)
    client = Client(f"{site.scheme}://{site.netloc}", given.origin, given.rate, given.timeout)
    first = client.through("/robots.txt")
    # Without the application to compare with, no leak would be found: that must not look as if there were none.
    silent = first.error or (given.origin and client.past("/robots.txt").error)
    if silent:
        print(f"weir: {given.url if first.error else given.origin} does not answer: {silent}", file=sys.stderr)
        return 2
    found = audit(client, Frontier(given.url, first, given.exclude), users, given)
    (report.as_json if given.json else report.as_text)(found, sys.stdout)
    return found.code


def is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def cookies(value: str) -> str:
    text = Path(value[1:]).read_text().strip() if value.startswith("@") else value
    text = text.removeprefix("Cookie:").strip()
    if "=" not in text or not text.isascii() or not text.isprintable():
        raise ValueError(f"{value} is no line of cookies such as sessionid=abc; csrftoken=def")
    return text


def audit(client: Client, frontier: Frontier, users: list[str], given: argparse.Namespace) -> Report:
    found = Report()
    if not client.origin:
        found.notes.append("without --origin nobody knows what the application would say: leaks are not looked for")
    elif not users:
        found.notes.append("without --user-a and --user-b only pages for nobody are compared")
    end = time.monotonic() + given.seconds
    for path in frontier:
        if found.pages >= given.pages or time.monotonic() > end:
            found.notes.append(f"stopped after {found.pages} pages; at least {len(frontier.waiting) + 1} are left")
            break
        answers = page.ask(client, path, users)
        found.pages += 1
        found.hits += answers.second.is_hit
        found.findings += page.judge(answers)
        frontier.look(path, answers.first)
        for through, _ in answers.users:
            frontier.look(path, through)
    found.requests, found.left_alone = client.asked, frontier.left_alone
    return found
