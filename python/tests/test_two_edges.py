"""Two edges, one cache-node, one application: whoever reads at the other edge after a change sees it."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import ask, copy_site, free_port, prepare_site, until, weir

CHANGES = 50


@pytest.fixture
def edges(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ports of both."""
    directory, state = copy_site(tmp_path / "site"), tmp_path / "state"
    state.mkdir()
    ports = {name: free_port() for name in ("one", "two", "admin_one", "admin_two", "node", "adapter")}
    admins = f"127.0.0.1:{ports['admin_one']},127.0.0.1:{ports['admin_two']}"
    env = {**os.environ, "SITE_STATE": str(state), "WEIR_ADMIN": admins, "WEIR_RUNTIME_DIR": str(tmp_path)}
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


def test_a_change_is_seen_at_every_edge(edges: tuple[int, int]) -> None:
    from shop import changes

    chance = random.Random(9)
    pages = ["/", "/authors/", "/unions/", "/prefetched/", "/language/de/", "/tag/1/", "/category/1/", "/circle/1/"]
    pages += [f"/key/{number}/" for number in range(1, 8)]
    hits = 0
    for _ in range(CHANGES):
        at, other = chance.sample(edges, 2)
        reply = ask(at, "/change/", "POST", json.dumps(changes.choose(chance)).encode())
        assert reply.status == 200
        for page in chance.sample(pages, 5):
            shown = ask(other, page)
            now = ask(at, page, Cookie=f"sessionid={chance.randrange(1 << 40)}")
            assert (shown.status, shown.body) == (now.status, now.body), page
            hits += "hit" in shown.cache
    assert hits > CHANGES, "pages are kept"
