"""What a transaction of Django's keeps until it is committed: its tags, and nothing that the site would count."""

from pathlib import Path

import pytest


@pytest.fixture
def gone(filled: Path, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    from weir_server.django import changes

    found: list[set[str]] = []
    monkeypatch.setattr(changes, "deliver", lambda tags: found.append(set(tags)))
    return found


def test_a_site_counts_its_own_functions_alone(gone: list[set[str]]) -> None:
    """As the documentation of Django tests what is to be done after a commit."""
    from django.db import transaction
    from django.test import TestCase

    from shop.models import Tag

    done: list[str] = []
    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True) as callbacks:
            Tag.objects.filter(pk=1).update(name="x")
            transaction.on_commit(lambda: done.append("letter"))
        assert len(callbacks) == 1 and done == ["letter"]
        assert not gone
    assert [batch & {"shop.tag:1"} for batch in gone] == [{"shop.tag:1"}]


def test_savepoints(gone: list[set[str]]) -> None:
    from django.db import transaction

    from shop.models import Tag

    def change(key: int) -> None:
        Tag.objects.filter(pk=key).update(name=f"changed {key}")

    with transaction.atomic():
        change(1)
        with transaction.atomic():
            change(2)
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                change(3)
                raise ZeroDivisionError
        sid = transaction.savepoint()
        change(4)
        transaction.savepoint_commit(sid)
    (batch,) = gone
    assert {tag for tag in batch if ":" in tag} == {"shop.tag:1", "shop.tag:2", "shop.tag:4"}


def test_a_long_transaction_takes_little_memory(filled: Path) -> None:
    from weir_server.django import commits

    changes: commits.Changes = []
    for number in range(3 * commits.MOST):
        commits.put(changes, set(), {"shop.tag", f"shop.tag:{number}"})
    assert len(changes) == 1 and len(changes[0][1]) <= commits.MOST + 2
    assert {"shop.tag", "shop.tag:*", "shop.tag:+"} <= changes[0][1]
    for number in range(3 * commits.MOST_PARTS):
        commits.put(changes, {f"s{number}"}, {f"shop.author:{number}"})
    assert len(changes) <= commits.MOST_PARTS + 1
    known = set().union(*(tags for _, tags in changes))
    assert {f"shop.author:{number}" for number in range(3 * commits.MOST_PARTS)} <= known
