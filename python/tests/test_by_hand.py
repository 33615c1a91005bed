"""Processes that somebody starts by hand, in front of an application that nobody has told anything: the edge tells it
where its pages are purged, and nobody else can.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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


@dataclass
class Hands:
    # The ports of both Weirs.
    edges: list[int]
    directory: Path
    env: dict[str, str]


@contextlib.contextmanager
def two_weirs(tmp_path: Path, apps: int, *, named: bool) -> Iterator[Hands]:
    """Two Weirs that know nothing of each other, in front of one application for both, or of one each."""
    directory, state = copy_site(tmp_path / "site"), tmp_path / "state"
    state.mkdir()
    env = {**os.environ, "SITE_STATE": str(state), "WEIR_RUNTIME_DIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    prepare_site(directory, env)
    env.pop("WEIR_ADMIN")
    gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers", "2", "--threads", "4"]
    servers = [free_port() for _ in range(apps)]
    edges = [(free_port(), free_port()) for _ in range(2)]
    if named:
        env["WEIR_ADMIN"] = ",".join(f"127.0.0.1:{admin}" for _, admin in edges)
    commands: list[list[str]] = [[*gunicorn, "--bind", f"127.0.0.1:{port}", "wsgi"] for port in servers]
    for number, (port, admin) in enumerate(edges):
        file = tmp_path / f"{number}.toml"
        file.write_text(
            f'[edge]\nname = "edge {number}"\nlisten = ["127.0.0.1:{port}"]\nadmin = "127.0.0.1:{admin}"\n'
            '[[edge.site]]\n[[edge.site.location]]\nmatch = "/"\npool = "app"\n[edge.site.location.cache]\n'
            f'[[wsgi_adapter.pool]]\nname = "app"\nservers = ["http://127.0.0.1:{servers[number % apps]}"]\n'
        )
        commands.append([weir(), "run", "--config", str(file)])
    processes = [subprocess.Popen(command, cwd=directory, env=env) for command in commands]
    try:
        for port, admin in edges:
            until("it is ready", lambda admin=admin: ask(admin, "/readyz").status == 200)
            until("it answers", lambda port=port: ask(port, "/authors/").status == 200)
        yield Hands([port for port, _ in edges], directory, env)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(40)


def write(board: int, text: str) -> bytes:
    return json.dumps({"board": board, "seed": 1, "text": text}).encode()


def changes_are_seen(edges: list[int]) -> None:
    for port in edges:
        ask(port, "/boards/")
        assert "hit; ttl=8" in ask(port, "/boards/").cache, "kept for a day: changes can be purged"
    for number in range(4):
        reply = ask(edges[number % 2], "/change/", "POST", write(1, f"said {number}"))
        assert (reply.status, reply.headers.get("weir-purge")) == (200, "complete"), reply
        for port in edges:
            assert f"said {number}".encode() in ask(port, "/boards/").body, (number, port)


def test_a_change_is_seen_at_weirs_that_nobody_has_named(tmp_path: Path) -> None:
    with two_weirs(tmp_path, 1, named=False) as hands:
        changes_are_seen(hands.edges)
        # A job of the same user, which no edge asks for anything.
        script = "import django; django.setup()\nfrom shop.models import Board\nBoard.objects.create(text='by a job')\n"
        env = {**hands.env, "DJANGO_SETTINGS_MODULE": "settings"}
        subprocess.run([sys.executable, "-c", script], cwd=hands.directory, env=env, check=True)
        for port in hands.edges:
            assert b"by a job" in ask(port, "/boards/").body, port


def test_each_application_tells_the_other_s_weir(tmp_path: Path) -> None:
    """As on two machines behind a load balancer: an application is asked by its own Weir alone."""
    with two_weirs(tmp_path, 2, named=True) as hands:
        changes_are_seen(hands.edges)
