"""Two edges, one cache-node, one application: whoever reads at any edge after a change sees it.

`WEIR_CHANGES=2000` makes so many changes instead of the few that a test run has time for.
"""

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import editors
import postgres
from editors import PAGES, Site
from running import ask, copy_site, free_port, prepare_site, until, weir

CHANGES = int(os.environ.get("WEIR_CHANGES", "24"))
PROCESSES = 3
# In one round of the several processes, for each; after a round all pages are looked at.
WRITES = 5
# The changes of single rows.
SINGLE = ("create", "save", "save_some", "delete")


Edges = tuple[int, int]


@pytest.fixture
def edges(tmp_path: Path) -> Iterator[Edges]:
    """The ports of both."""
    with both_edges(tmp_path) as ports:
        yield ports


@pytest.fixture(params=["sqlite", "postgresql"])
def edges_by_database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Edges]:
    """On PostgreSQL, processes write at the same time, and one may not see yet what another one has."""
    if request.param == "sqlite":
        with both_edges(tmp_path) as ports:
            yield ports
        return
    with postgres.running() as socket, both_edges(tmp_path, SITE_POSTGRES=str(socket)) as ports:
        yield ports


@contextlib.contextmanager
def both_edges(tmp_path: Path, **more: str) -> Iterator[Edges]:
    directory, state = copy_site(tmp_path / "site"), tmp_path / "state"
    state.mkdir()
    ports = {name: free_port() for name in ("one", "two", "admin_one", "admin_two", "node", "adapter")}
    admins = f"127.0.0.1:{ports['admin_one']},127.0.0.1:{ports['admin_two']}"
    env = {**os.environ, "SITE_STATE": str(state), "WEIR_ADMIN": admins, "WEIR_RUNTIME_DIR": str(tmp_path), **more}
    prepare_site(directory, env)
    files = []
    for name in ("one", "two"):
        file = tmp_path / f"{name}.toml"
        file.write_text(
            f'[edge]\nname = "{name}"\nlisten = ["127.0.0.1:{ports[name]}"]\n'
            f'admin = "127.0.0.1:{ports["admin_" + name]}"\npeers = {{ cache_node = "http://127.0.0.1:{ports["node"]}",'
            f' wsgi_adapter = "http://127.0.0.1:{ports["adapter"]}" }}\n'
            '[[edge.site]]\n[[edge.site.location]]\nmatch = "/"\npool = "app"\n[edge.site.location.cache]\n'
            f'[cache_node]\nlisten = "127.0.0.1:{ports["node"]}"\nadmin = "off"\n'
            f'[wsgi_adapter]\nlisten = "127.0.0.1:{ports["adapter"]}"\nadmin = "off"\n'
            f'[[wsgi_adapter.pool]]\nname = "app"\nservers = ["http+unix://{tmp_path}/app.sock"]\n'
        )
        files.append(file)
    gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers", "2", "--threads", "4"]
    commands = [
        [*gunicorn, "--bind", f"unix:{tmp_path}/app.sock", "wsgi"],
        [weir(), "cache-node", "--config", files[0]],
        [weir(), "wsgi-adapter", "--config", files[0]],
        [weir(), "edge", "--config", files[0]],
        [weir(), "edge", "--config", files[1]],
    ]
    processes = [subprocess.Popen(command, cwd=directory, env=env) for command in commands]
    try:
        for name in ("one", "two"):
            until("it is ready", lambda port=ports[f"admin_{name}"]: ask(port, "/readyz").status == 200)
            until("it answers", lambda port=ports[name]: ask(port, "/authors/").status == 200)
        yield ports["one"], ports["two"]
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(40)


def test_a_change_is_seen_at_every_edge(edges: Edges) -> None:
    """After each change; and the pages that did not show it stay at every edge."""
    from shop import changes

    chance = random.Random(9)
    site = Site(edges, chance)
    kept = unchanged = 0
    for number in range(CHANGES):
        looked_at = PAGES if number % 12 == 0 else chance.sample(PAGES, 20)
        before = {page: [site.shown(edge, page) for edge in edges] for page in looked_at}
        order = changes.choose(chance)
        is_single = number % 4 != 3
        if is_single:
            order |= {"kind": chance.choice(SINGLE), "frame": "plain"}
        site.change(order)
        for page in looked_at:
            now = site.now(page)
            for edge, was in zip(edges, before[page], strict=True):
                shown = site.shown(edge, page)
                assert (shown.status, shown.body) == now, (number, order, page, shown, now)
                if is_single and was.status == 200 and was.body == shown.body:
                    unchanged += 1
                    kept += "; hit" in shown.cache
    print(f"{CHANGES} changes: {kept / unchanged:.1%} of {unchanged} pages that a change of one row left alone stayed")
    assert kept >= 0.9 * unchanged, f"{kept} of {unchanged}"


def test_several_processes_never_see_an_old_page(edges_by_database: Edges) -> None:
    rounds = max(2, CHANGES // (2 * PROCESSES * WRITES))
    done = editors.run(edges_by_database, editors.Plan(seed=10, processes=PROCESSES, rounds=rounds, writes=WRITES))
    print(
        f"{done['writes']} changes by {PROCESSES} processes, {done['reads']} pages read, {done['hits']} from the cache"
    )
    assert done["writes"] == 2 * PROCESSES * WRITES * rounds
    assert done["hits"] > done["writes"], "pages are kept"


def test_a_purge_that_is_lost_is_seen(tmp_path: Path) -> None:
    """So the test above would fail: an application that does not purge what one of its tables loses."""
    with both_edges(tmp_path, SITE_IGNORES="shop.board") as edges, pytest.raises(AssertionError, match="old board"):
        editors.run(edges, editors.Plan(seed=11, processes=2, rounds=1, writes=2))
