"""Whatever changes: a page whose content is another one now has lost one of its tags, and few others have.

A dictionary stands in for the cache here, so that thousands of changes take seconds; test_serve.py has a real Weir.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHANGES = int(os.environ.get("WEIR_CHANGES", "50"))
SEEDS = [int(seed) for seed in os.environ.get("WEIR_SEEDS", "11,12").split(",")]


@pytest.fixture
def purged(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[set[str]]]:
    """What was purged, batch by batch."""
    from weir_server.django import changes

    batches: list[set[str]] = []
    monkeypatch.setattr(changes, "deliver", lambda tags: batches.append(set(tags)))
    yield batches


def addresses() -> list[str]:
    from shop import models

    found = ["/", "/authors/", "/places/", "/restaurants/", "/unions/", "/second/", "/prefetched/", "/language/de/"]
    for model, pattern in (
        (models.Article, "/key/{}/"),
        (models.Article, "/slices/{}/"),
        (models.Article, "/raw/{}/"),
        (models.Category, "/category/{}/"),
        (models.Category, "/threads/{}/"),
        (models.Tag, "/tag/{}/"),
        (models.Restaurant, "/restaurant/{}/"),
        (models.Circle, "/circle/{}/"),
        (models.Circle, "/later/{}/"),
        (models.Place, "/generic/{}/"),
        (models.Event, "/event/{}/"),
    ):
        keys = list(model.objects.order_by("pk").values_list("pk", flat=True)[:12])
        found += [pattern.format(key) for key in keys]
        # One that is not there yet, but may come.
        if keys and isinstance(keys[0], int):
            found.append(pattern.format(model.objects.latest("pk").pk + 1))
    found += [f"/a/s{n}/" for n in range(0, 40, 2)] + [f"/author/s{n}/" for n in range(0, 40, 3)]
    return found


def fetch(address: str) -> tuple[tuple[int, bytes], frozenset[str]]:
    from django.test import Client

    response = Client(raise_request_exception=True).get(address)
    return (response.status_code, response.content), frozenset(response.get("Surrogate-Key", "").split())


@pytest.mark.parametrize("seed", SEEDS)
def test_no_page_is_old_after_any_change(purged: list[set[str]], seed: int) -> None:
    from shop import changes

    chance = random.Random(seed)
    cache = {address: fetch(address) for address in addresses()}
    assert all(tags for _, tags in cache.values()), "each page has a tag"
    survived = unrelated = 0
    for number in range(CHANGES):
        change = changes.choose(chance)
        purged.clear()
        done = changes.make(change)
        gone: set[str] = set().union(*purged)
        assert done != "rolled back" or not gone, (change, gone)
        assert change["frame"] == "plain" or len(purged) <= 1, "one batch for each transaction"
        looked_at = chance.sample(sorted(cache), 12) if number % 8 else sorted(cache)
        for address in looked_at:
            (content, tags) = cache[address]
            now, new_tags = fetch(address)
            if tags & gone:
                unrelated += now == content
            else:
                assert now == content, (number, change, address, sorted(tags), sorted(gone), content, now)
                survived += 1
                unrelated += 1
            cache[address] = (now, new_tags)
        for address in set(cache) - set(looked_at):
            if cache[address][1] & gone:
                cache[address] = fetch(address)
    assert survived / unrelated >= 0.9, f"{survived} of {unrelated} pages that did not change survived"


def test_a_page_made_in_an_async_view_has_tags(filled: Path) -> None:
    from django.test import AsyncClient

    from shop.models import Circle

    pk = Circle.objects.earliest("pk").pk
    response: Any = asyncio.run(AsyncClient().get(f"/later/{pk}/"))
    assert f"shop.circle:{pk}" in response["Surrogate-Key"].split()
    assert f"shop.membership:circle={pk}" in response["Surrogate-Key"].split()
