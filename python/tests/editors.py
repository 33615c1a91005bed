"""Editors and readers of the test site in several processes at once, each at every edge in turn."""

import json
import multiprocessing
import os
import random
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from unittest import mock

from running import Reply, ask

# How long a process waits for the others.
PATIENCE = 300.0
PAGES = [
    "/",
    "/authors/",
    "/places/",
    "/restaurants/",
    "/unions/",
    "/second/",
    "/prefetched/",
    "/language/de/",
    "/boards/",
]
PAGES += [f"/{kind}/{pk}/" for kind in ("key", "slices", "raw", "generic") for pk in range(1, 13)]
PAGES += [f"/{kind}/{pk}/" for kind in ("category", "tag", "restaurant", "circle", "board") for pk in range(1, 8)]
PAGES += [f"/a/s{number}/" for number in range(0, 40, 2)] + [f"/author/s{number}/" for number in range(0, 40, 3)]


class Site:
    """The edges, and the application behind them."""

    def __init__(self, edges: Sequence[int], chance: random.Random) -> None:
        self.edges = edges
        self.chance = chance

    def change(self, order: dict[str, object], among_others: bool = False) -> None:
        """Returns when every edge has acknowledged the purge. `among_others`: it may not be possible any more."""
        reply = ask(self.chance.choice(self.edges), "/change/", "POST", json.dumps(order).encode(), timeout=60)
        assert reply.status == 200 or (among_others and reply.status == 409), (order, reply)
        assert reply.headers.get("weir-purge", "complete") == "complete", (order, reply.headers)

    def now(self, page: str) -> tuple[int, bytes]:
        """The page as the application makes it now: who is signed in is not answered from the cache."""
        cookie = f"sessionid={self.chance.getrandbits(60)}"
        reply = ask(self.chance.choice(self.edges), page, timeout=60, Cookie=cookie)
        assert "hit" not in reply.cache.split(";")[1], reply.cache
        return reply.status, reply.body

    def shown(self, edge: int, page: str) -> Reply:
        return ask(edge, page, timeout=60)

    def check(self, pages: Sequence[str]) -> int:
        """Each page is the same from each edge as from the application. How many came from a cache."""
        hits = 0
        for page in pages:
            now = self.now(page)
            for edge in self.edges:
                shown = self.shown(edge, page)
                assert (shown.status, shown.body) == now, (page, shown, now)
                hits += "; hit" in shown.cache
        return hits


def work(number: int, edges: Sequence[int], plan: "Plan", together: Barrier, told: "Queue[tuple[int, object]]") -> None:
    """One process: changes something, reads what it has changed and what it has not; then looks at its part of all."""
    try:
        told.put((number, edit(number, edges, plan, together)))
    except BaseException as error:
        together.abort()
        told.put((number, f"{type(error).__name__}: {error}"))
        raise


def edit(number: int, edges: Sequence[int], plan: "Plan", together: Barrier) -> dict[str, int]:
    import django

    django.setup()
    from shop import changes

    chance = random.Random(plan.seed * 1000 + number)
    site, counts = Site(edges, chance), {"writes": 0, "reads": 0, "hits": 0}
    board = number + 1
    for step in range(plan.rounds):
        for at in range(plan.writes):
            site.change(changes.choose(chance), among_others=True)
            text = f"{number} {step} {at}"
            site.change({"board": board, "text": text, "seed": at})
            counts["writes"] += 2
            # Nobody else writes there, so what is seen is known, whatever the others do.
            for edge in edges:
                assert json.loads(site.shown(edge, f"/board/{board}/").body) == [text], ("an old board", edge, text)
                assert json.loads(site.shown(edge, "/boards/").body)[0][number] == text, ("old boards", edge, text)
            for page in chance.sample(PAGES, 6):
                counts["hits"] += "; hit" in site.shown(chance.choice(edges), page).cache
            counts["reads"] += 6 + 2 * len(edges)
        together.wait(PATIENCE)
        mine = PAGES[number :: plan.processes]
        counts["hits"] += site.check(mine)
        counts["reads"] += len(mine) * (1 + len(edges))
        together.wait(PATIENCE)
    return counts


class Plan:
    """How much is done."""

    def __init__(self, seed: int, processes: int, rounds: int, writes: int) -> None:
        self.seed, self.processes, self.rounds, self.writes = seed, processes, rounds, writes


def run(edges: Sequence[int], plan: Plan) -> dict[str, int]:
    """What all processes did together. Fails if one of them has seen an old page."""
    context = multiprocessing.get_context("spawn")
    together, told = context.Barrier(plan.processes), context.Queue()
    given = (edges, plan, together, told)
    processes = [context.Process(target=work, args=(number, *given)) for number in range(plan.processes)]
    # What they import needs no Weir.
    with mock.patch.dict(os.environ, WEIR_ADMIN="off"):
        for process in processes:
            process.start()
    found = [told.get(timeout=PATIENCE * plan.rounds) for _ in processes]
    for process in processes:
        process.join(60)
    wrong = [(number, result) for number, result in found if not isinstance(result, dict)]
    assert not wrong, wrong
    return {name: sum(result[name] for _, result in found) for name in ("writes", "reads", "hits")}  # type: ignore[index]
