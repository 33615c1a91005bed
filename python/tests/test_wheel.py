"""The wheel, installed into an empty virtual environment, runs a site. `make test` names it by $WEIR_WHEEL."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from running import ask, free_port, serving, until

WHEEL = os.environ.get("WEIR_WHEEL")
pytestmark = pytest.mark.skipif(not WHEEL, reason="$WEIR_WHEEL names no wheel")
SERVER = "gunicorn==27.0.1"
APP = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'from the wheel']\n"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
    pip = [directory / "venv/bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, str(WHEEL), SERVER], check=True)
    (directory / "app.py").write_text(APP)
    return directory


def plain_env() -> dict[str, str]:
    """Without what leads to the source."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "WEIR_BIN", "VIRTUAL_ENV")}


def test_it_holds_the_program_and_the_package() -> None:
    names = zipfile.ZipFile(str(WHEEL)).namelist()
    assert any(name.endswith(".data/scripts/weir") for name in names)
    assert any(name.endswith(".cyclonedx.json") for name in names), "what is inside is listed"
    assert "weir_server/django/middleware.py" in names and "weir_server/py.typed" in names
    assert "-py3-none-" in str(WHEEL), "one wheel for every Python"


def test_its_tag_says_which_glibc_the_program_needs() -> None:
    wheel = zipfile.ZipFile(str(WHEEL))
    program = wheel.read(next(name for name in wheel.namelist() if name.endswith(".data/scripts/weir")))
    needed = max(int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)(?:\.\d+)?(?=\0)", program))
    said = re.search(r"-manylinux_2_(\d+)_", str(WHEEL))
    assert said and needed <= int(said[1]), f"{WHEEL} needs glibc 2.{needed}"


def test_a_site_runs_from_it(environment: Path) -> None:
    """The environment is found by the program's own place in it."""
    command = [str(environment / "venv/bin/weir"), "serve", "app"]
    env = dict.fromkeys(("PYTHONPATH", "WEIR_BIN", "VIRTUAL_ENV"), "")
    with serving(command, environment / "run", environment, env) as running:
        assert running.get("/").body == b"from the wheel"
        assert running.says("runs on gunicorn 27.0.1") and running.says(str(environment / "venv"))


def test_the_program_is_found(environment: Path) -> None:
    python = environment / "venv/bin/python"
    code = "import weir_server; print(weir_server.find_weir_bin())"
    found = subprocess.run([python, "-c", code], env=plain_env(), capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(environment / "venv/bin/weir")
    done = subprocess.run([python, "-m", "weir_server", "--version"], env=plain_env(), capture_output=True, text=True)
    assert done.stdout.startswith("weir ")


def test_it_is_a_whole_cluster(environment: Path) -> None:
    """Edge, cache-node and wsgi-adapter as three processes of the one program."""
    port, node, adapter, admin, app = (free_port() for _ in range(5))
    file = environment / "weir.toml"
    file.write_text(
        f'[edge]\nlisten = ["127.0.0.1:{port}"]\nadmin = "127.0.0.1:{admin}"\n'
        f'peers = {{ cache_node = "http://127.0.0.1:{node}", wsgi_adapter = "http://127.0.0.1:{adapter}" }}\n'
        '[[edge.site]]\n[[edge.site.location]]\nmatch = "/"\npool = "app"\n[edge.site.location.cache]\nttl = "1m"\n'
        f'[cache_node]\nlisten = "127.0.0.1:{node}"\nadmin = "off"\n'
        f'[wsgi_adapter]\nlisten = "127.0.0.1:{adapter}"\nadmin = "off"\n'
        f'[[wsgi_adapter.pool]]\nname = "app"\nservers = ["http://127.0.0.1:{app}"]\n'
    )
    programs = environment / "venv/bin"
    commands = [[programs / "weir", name, "--config", file] for name in ("cache-node", "wsgi-adapter", "edge")]
    commands.append([programs / "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{app}", "app:app"])
    processes = [subprocess.Popen(command, cwd=environment, env=plain_env()) for command in commands]
    try:
        until("a page is kept", lambda: "hit" in ask(port, "/").cache)
        assert ask(port, "/").body == b"from the wheel"
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(40) for process in processes]
    assert codes == [0] * 4, codes
