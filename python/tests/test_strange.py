"""Ways to read and write that are rare: whatever a page shows, a change of it purges the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strange import elsewhere, reads
from strange.writes import WRITES

READS = reads.READS | elsewhere.READS


@pytest.fixture
def gone(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """What was purged."""
    from strange import rows
    from weir_server.django import changes

    found: set[str] = set()
    rows.fill()
    monkeypatch.setattr(changes, "deliver", found.update)
    yield found


def read(name: str) -> tuple[str, set[str], bool]:
    from weir_server.django import capture

    recorder, token = capture.begin()
    try:
        shown = repr(READS[name]())
    except Exception as error:
        # A page says so too.
        shown = repr(error)
    finally:
        capture.end(token)
    return shown, set(recorder.shown()), recorder.timed


@pytest.mark.parametrize("write", sorted(WRITES))
def test_no_page_is_old_after(gone: set[str], write: str) -> None:
    before = {name: read(name) for name in READS}
    gone.clear()
    WRITES[write]()
    old = {}
    for name, (shown, tags, timed) in before.items():
        now: Any = read(name)[0]
        if shown != now and not timed and not tags & gone:
            old[name] = (shown, now, sorted(tags), sorted(gone))
    assert not old, "\n".join(f"{name}: {one}" for name, one in old.items())
