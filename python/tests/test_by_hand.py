"""Processes that somebody starts by hand, in front of an application that nobody has told anything: the edge tells it
where its pages are purged, and nobody else can.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from running import ask, copy_site, free_port, prepare_site, until, weir
from weir_server._asker import Asker, asker

# As the edge's own tests have it, with the token "token".
PROVEN = '"127.0.0.1:9900";edge="one";proof=:5tH0Qxl5HtWfhKe933eeciuQ/D5UrMp1DIuYl8rxBSM=:'


def test_what_the_field_says() -> None:
    found = asker(PROVEN)
    assert found and (found.address, found.name) == ("127.0.0.1:9900", "one")
    assert found.is_proven_by("token") and not found.is_proven_by("other") and not found.is_proven_by("")
    moved = Asker("10.0.0.1:9900", found.name, found.proof)
    assert not moved.is_proven_by("token") and not Asker(found.address, "two", found.proof).is_proven_by("token")
    assert asker('off;edge="a \\"b\\\\"') == Asker(None, 'a "b\\')
    assert asker('"edge.internal:9900"') == Asker("edge.internal:9900", None)
    for wrong in (None, "", "127.0.0.1:9900", '"a', '"a";edge=b', PROVEN + ", " + PROVEN, f'"{"a" * 2000}"'):
        assert asker(wrong) is None, wrong


@pytest.fixture
def site(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Two Weirs that know nothing of each other, in front of one gunicorn that knows neither."""
    directory, state = copy_site(tmp_path / "site"), tmp_path / "state"
    state.mkdir()
    env = {**os.environ, "SITE_STATE": str(state), "WEIR_RUNTIME_DIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    prepare_site(directory, env)
    env.pop("WEIR_ADMIN")
    gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers", "2", "--threads", "4"]
    app = free_port()
    commands: list[list[str]] = [[*gunicorn, "--bind", f"127.0.0.1:{app}", "wsgi"]]
    ports = []
    for name in ("one", "two"):
        port, admin, file = free_port(), free_port(), tmp_path / f"{name}.toml"
        file.write_text(
            f'[edge]\nname = "{name}"\nlisten = ["127.0.0.1:{port}"]\nadmin = "127.0.0.1:{admin}"\n'
            '[[edge.site]]\n[[edge.site.location]]\nmatch = "/"\npool = "app"\n[edge.site.location.cache]\n'
            f'[[wsgi_adapter.pool]]\nname = "app"\nservers = ["http://127.0.0.1:{app}"]\n'
        )
        commands.append([weir(), "run", "--config", str(file)])
        ports.append((port, admin))
    processes = [subprocess.Popen(command, cwd=directory, env=env) for command in commands]
    try:
        for port, admin in ports:
            until("it is ready", lambda admin=admin: ask(admin, "/readyz").status == 200)
            until("it answers", lambda port=port: ask(port, "/authors/").status == 200)
        yield {"edges": [port for port, _ in ports], "admins": ports, "app": app, "cwd": directory, "env": env}
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(40)


def write(board: int, text: str) -> bytes:
    return json.dumps({"board": board, "seed": 1, "text": text}).encode()


def test_a_change_is_seen_at_weirs_that_nobody_has_named(site: dict[str, Any]) -> None:
    edges = site["edges"]
    for port in edges:
        ask(port, "/boards/")
        assert "hit; ttl=8" in ask(port, "/boards/").cache, "kept for a day: changes can be purged"
    for number in range(4):
        reply = ask(edges[number % 2], "/change/", "POST", write(1, f"said {number}"))
        assert (reply.status, reply.headers.get("weir-purge")) == (200, "complete"), reply
        for port in edges:
            assert f"said {number}".encode() in ask(port, "/boards/").body, (number, port)
    # A job of the same user, which no edge asks for anything.
    script = "import django; django.setup()\nfrom shop.models import Board\nBoard.objects.create(text='by a job')\n"
    env = {**site["env"], "DJANGO_SETTINGS_MODULE": "settings"}
    subprocess.run([sys.executable, "-c", script], cwd=site["cwd"], env=env, check=True)
    for port in edges:
        assert b"by a job" in ask(port, "/boards/").body, port
