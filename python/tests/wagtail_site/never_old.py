"""Random changes by editors, in one process: no page is old after any, and those that did not change stay.

Prints one line of JSON: how many pages had not changed, and how many of these stayed; by kind of change.
"""

import contextlib
import json
import os
import random
import re
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from pages import changes  # noqa: E402
from weir_server.django import changes as purges  # noqa: E402

SLUGS = ("e0", "e1", "e2", "e3", "n0", "a0")
PAGES = ["/", "/moved/", *(f"/s{s}/" for s in range(3)), *(f"/s{s}/{slug}/" for s in range(3) for slug in SLUGS)]
KINDS = {
    "draft": 3,
    "publish": 4,
    "publish_section": 1,
    "unpublish": 1,
    "add": 3,
    "add_draft": 2,
    "delete": 2,
    "rename": 1,
    "move": 2,
    "move_section": 1,
    "alias": 2,
    "schedule": 1,
    "scheduled": 2,
    "restrict": 1,
    "restrict_section": 1,
    "free": 2,
    "author": 2,
    "picture": 1,
    "footer": 1,
    "redirect": 1,
    "host": 1,
    "lock": 1,
}


def choose(chance: random.Random, number: int) -> dict[str, object]:
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    s, e, title = chance.randrange(3), chance.randrange(4), f"Title {number}"
    place, new = {"s": s, "e": e}, "n0"
    return {"kind": kind} | {
        "draft": {**place, "title": title},
        "publish": {**place, "title": title},
        "publish_section": {"s": s, "title": title},
        "unpublish": place,
        "add": {"s": s, "slug": new},
        "add_draft": {"kind": "add", "s": s, "slug": new, "live": False},
        "delete": {"s": s, "slug": chance.choice(("n0", "a0"))},
        "rename": {**place, "slug": f"e{e}"},
        "move": {"s": s, "slug": chance.choice(SLUGS[3:]), "to": chance.randrange(3)},
        "move_section": {"s": s, "place": chance.choice(("first-child", "last-child"))},
        "alias": {**place, "to": chance.randrange(3), "slug": "a0"},
        "schedule": {**place, "title": title},
        "scheduled": {},
        "restrict": {**place, "restriction": "password"},
        "restrict_section": {"s": s, "restriction": "login"},
        "free": {"s": s},
        "author": {"number": e % 3, "name": title},
        "picture": {"title": title},
        "footer": {"text": title},
        "redirect": {"path": "/moved/", "to": f"/s{s}/"},
        "host": {"name": title},
        "lock": place,
    }[kind]


def main(count: int, seed: int) -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    changes.fill()
    gone: set[str] = set()
    purges.deliver = gone.update
    client = Client()

    def fetch(page: str) -> tuple[object, frozenset[str]]:
        reply = client.get(page)
        location = reply.headers.get("Location")
        # A page with a token is never kept.
        content = re.sub(rb'value="\w{64}"', b"", reply.content)
        return (reply.status_code, location, content), frozenset(reply.headers["Surrogate-Key"].split())

    kept = {page: fetch(page) for page in PAGES}
    # Renditions are made with the first request for them, which is a change.
    kept = {page: fetch(page) for page in PAGES}
    chance = random.Random(seed)
    seen: dict[str, list[int]] = {}
    for number in range(count):
        order = choose(chance, number)
        gone.clear()
        with contextlib.suppress(changes.Missing):
            changes.make(order)
        for page in PAGES:
            content, tags = kept[page]
            now = fetch(page)
            if now[0] != content and not tags & gone:
                sys.exit(
                    f"old after {order}: {page}\n{content}\n{now[0]}\ntags: {sorted(tags)}\npurged: {sorted(gone)}"
                )
            if now[0] == content:
                counts = seen.setdefault(str(order["kind"]), [0, 0])
                counts[0] += 1
                counts[1] += not tags & gone
            kept[page] = now
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
