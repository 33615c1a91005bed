"""`weir serve MODULE`: the application's server is started, restarted, reloaded and stopped."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from running import ask, free_port, serving, until, weir

WSGI = """
import os, time
VERSION = "first"
def app(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        os.kill(os.getppid(), 9)
    if environ["PATH_INFO"] == "/leave":
        os.system("sleep 0.01 &")
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1.0)
    body = f"{VERSION} {environ['wsgi.url_scheme']} {environ.get('HTTP_HOST')} {environ['PATH_INFO']}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
    return [body if environ["REQUEST_METHOD"] != "HEAD" else b""]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"asgi " + scope["scheme"].encode()})
"""


def command(*more: str) -> list[str]:
    return [weir(), "serve", *more, "--python", sys.executable]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = tmp_path / "site"
    directory.mkdir()
    (directory / "app.py").write_text(WSGI)
    (directory / "later.py").write_text(ASGI)
    (directory / "broken.py").write_text("import nothing_of_that_name\n")
    return directory


def run(site: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(command(*arguments), cwd=site, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_a_wrong_module_is_one_line(site: Path) -> None:
    place = f"looked in {site} and in Python"
    for name, said in {
        "nothing.wsgi": f"weir: there is no module nothing: {place}",
        "app:nothing": f"weir: the module app ({site}/app.py) has no nothing; it has app",
        "app.py": "weir: app.py is not the name of a module; write it with dots, such as app",
        "os:sep": "weir: os:sep is no application: str cannot be called",
    }.items():
        code, error = run(site, name)
        assert (code, len(error.splitlines())) == (1, 1), error
        assert said in error
    code, error = run(site, "broken")
    assert code == 1 and "Traceback" in error and 'broken.py", line 1' in error
    last = error.splitlines()[-1]
    assert last == "weir: the module broken cannot be imported: ModuleNotFoundError: No module named " + repr(
        "nothing_of_that_name"
    )
    assert '"<string>"' not in error, "the traceback begins in the application"
    code, error = run(site, "later", "--server", "uwsgi")
    assert code == 1 and "--server uwsgi: later is an ASGI application" in error
    code, error = run(site, "app", "--ttl", "soon")
    assert code == 2 and "not a time" in error


def test_a_port_in_use_is_said_before_the_application_starts(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken, free = (f"127.0.0.1:{port}" for port in (other.getsockname()[1], free_port()))
        for flag, addresses in (("--listen", [taken, "off"]), ("--admin", [free, taken])):
            code, error = run(site, "app", "--listen", addresses[0], "--admin", addresses[1])
            advice = f"address already in use; stop what runs there or change `{flag}`"
            assert (code, error) == (1, f"weir: cannot listen on {taken}: {advice}\n")


def test_the_application_is_named_first_among_what_a_module_has(site: Path) -> None:
    made = "class Site:\n    def __call__(self, *given): ...\nshop = Site()\n"
    (site / "many.py").write_text(f"from os import *\n{made}")
    code, error = run(site, "many:nothing")
    assert code == 1 and "has no nothing; it has shop, Site, " in error


@pytest.mark.parametrize(
    ("module", "server"), [("app:app", "uwsgi"), ("app", "gunicorn"), ("later", "granian"), ("later:app", "uvicorn")]
)
def test_each_server_serves(site: Path, tmp_path: Path, module: str, server: str) -> None:
    with serving(command(module, "--server", server), tmp_path / "run", site) as running:
        reply = running.get("/page", Host="example.com")
        assert reply.body in (b"first http example.com /page", b"asgi http")
        assert running.says(f"runs on {server}")
        directory = next((tmp_path / "run").glob("weir-serve-*"))
        assert directory.stat().st_mode & 0o777 == 0o700


def test_a_server_that_ends_is_started_again(site: Path, tmp_path: Path) -> None:
    with serving(command("app", "--server", "uwsgi"), tmp_path / "run", site) as running:
        assert ask(running.port, "/die").status in (200, 502)
        until("it is started again", lambda: running.says("it is started again in 500ms"))
        until("it answers", lambda: running.get("/").status == 200)


@pytest.mark.parametrize("server", ["uwsgi", "gunicorn"])
def test_a_reload_loses_no_request(site: Path, tmp_path: Path, server: str) -> None:
    with serving(command("app", "--server", server, "--workers", "1"), tmp_path / "run", site) as running:
        seen: list[tuple[int, bytes]] = []
        done = threading.Event()

        def visit(path: str, method: str) -> None:
            while not done.is_set():
                reply = ask(running.port, path, method, b"x" if method == "POST" else None)
                seen.append((reply.status, reply.body.split()[0] if reply.body else b""))

        visitors = [("/", "GET"), ("/slow", "GET"), ("/p", "POST")]
        threads = [threading.Thread(target=visit, args=one) for one in visitors]
        for thread in threads:
            thread.start()
        for count, version in enumerate(("second", "third"), start=1):
            (site / "app.py").write_text(WSGI.replace("first", version))
            running.process.send_signal(signal.SIGHUP)
            until("it is reloaded", partial(running.says, "the application is reloaded", count))
        # One that cannot be imported changes nothing.
        (site / "app.py").write_text("import nothing_of_that_name\n")
        running.process.send_signal(signal.SIGHUP)
        until("the reload fails", lambda: running.says("is not reloaded, the one before goes on"))
        time.sleep(1.5)
        done.set()
        for thread in threads:
            thread.join()
        assert {status for status, _ in seen} == {200}, [one for one in seen if one[0] != 200]
        assert {version for _, version in seen[-5:]} == {b"third"}
        assert {version for _, version in seen} == {b"first", b"second", b"third"}


@pytest.mark.parametrize("module", ["app", "later"])
def test_granian_goes_on_without_one_of_its_processes(site: Path, tmp_path: Path, module: str) -> None:
    with serving(command(module, "--server", "granian"), tmp_path / "run", site) as running:
        first = re.search(r"Spawning worker-1 with PID: (\d+)", running.log.read_text())
        assert first
        os.kill(int(first[1]), signal.SIGKILL)
        until("it is noticed", lambda: running.says("Unexpected exit"))
        until("another one takes its place", lambda: running.says("Spawning worker-1 with PID", 2))
        assert running.get("/").status == 200
        assert not running.says("is started again")


def test_an_end_does_not_wait_for_a_reload(site: Path, tmp_path: Path) -> None:
    with serving(command("app", "--server", "gunicorn"), tmp_path / "run", site) as running:
        (site / "app.py").write_text(WSGI + "\ntime.sleep(600)\n")
        running.process.send_signal(signal.SIGHUP)
        until("the next one starts", lambda: running.says("Starting gunicorn", 2))
        began = time.monotonic()
        running.end()
        # Both may have a worker that is at its import and hears nothing for 10 s. A reload takes 60 s.
        assert time.monotonic() - began < 40


@pytest.mark.parametrize("late", ["import", "answer"])
def test_an_end_before_it_serves_leaves_nothing(site: Path, tmp_path: Path, late: str) -> None:
    pause = f"open({str(tmp_path / 'begun')!r}, 'w').close()\n"
    pause += "import time; time.sleep(600)\n" if late == "import" else ""
    answer = "def app(environ, start_response):\n    " + pause.strip() + "; import time; time.sleep(6)\n"
    (site / "app.py").write_text(pause if late == "import" else answer)
    runtime = tmp_path / "run"
    runtime.mkdir()
    env = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    process = subprocess.Popen([*command("app", "--server", "gunicorn"), "--admin", "off"], cwd=site, env=env)
    until("it begins", lambda: (tmp_path / "begun").exists())
    process.terminate()
    assert process.wait(30) == 0
    assert not list(runtime.iterdir())
    until("nothing runs", lambda: not processes_in(site))


def processes_in(directory: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == directory.resolve():
                found.append((process / "cmdline").read_text())
    return found


@pytest.mark.parametrize("server", ["uwsgi", "gunicorn"])
def test_readiness(site: Path, tmp_path: Path, server: str) -> None:
    """Weir alone tells it to systemd, when it serves."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.setblocking(False)
        env = {"NOTIFY_SOCKET": str(tmp_path / "manager")}
        with serving(command("app", "--server", server), tmp_path / "run", site, env) as running:
            first = until("it is told", lambda: manager.recv(4096))
            assert first == f"READY=1\nMAINPID={running.process.pid}\n".encode()


def test_what_platforms_set(site: Path, tmp_path: Path) -> None:
    """$PORT, $WEB_CONCURRENCY, and a file with variables, which a reload reads again."""
    (site / "app.py").write_text(WSGI.replace('"first"', 'os.environ["SAID"] + os.environ["KEPT"]'))
    file = site / ".env"
    file.write_text("# said\nexport SAID='by the file '\nKEPT=overwritten\n")
    port, admin = free_port(), free_port()
    env = {**os.environ, "PORT": str(port), "WEB_CONCURRENCY": "3", "KEPT": "kept", "XDG_RUNTIME_DIR": str(tmp_path)}
    arguments = command("app", "--server", "gunicorn", "--env-file", str(file), "--timeout", "1s")
    log = tmp_path / "output"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*arguments, "--admin", f"127.0.0.1:{admin}"], cwd=site, env=env, stdout=out, stderr=out
        )
    try:
        until("it answers", lambda: ask(port, "/").body.startswith(b"by the file kept"))
        assert "gunicorn" in log.read_text() and "3 processes" in log.read_text()
        healthy = [weir(), "healthcheck", "--admin", f"127.0.0.1:{admin}"]
        assert subprocess.run(healthy).returncode == 0
        file.write_text("SAID=later\n")
        process.send_signal(signal.SIGHUP)
        until("the file is read again", lambda: ask(port, "/").body.startswith(b"laterkept"))
    finally:
        process.terminate()
    assert process.wait(30) == 0
    assert subprocess.run(healthy, capture_output=True).returncode == 1
    code, error = run(site, "app", "--env-file", "nowhere")
    assert code == 1 and "--env-file nowhere: No such file" in error
    env["PORT"] = "eighty"
    done = subprocess.run(command("app", "--print-config"), cwd=site, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "PORT=eighty is not a port" in done.stderr


def test_a_reload_beside_a_server_that_runs_already(site: Path, tmp_path: Path) -> None:
    arguments = [weir(), "serve", "--app", f"127.0.0.1:{free_port()}", "--ttl", "2s"]
    runtime = tmp_path / "run"
    runtime.mkdir()
    admin, log = f"127.0.0.1:{free_port()}", tmp_path / "output"
    arguments += ["--listen", f"127.0.0.1:{free_port()}", "--admin", admin]
    with log.open("wb") as out:
        process = subprocess.Popen(arguments, env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)}, stderr=out)
    until("it serves", lambda: "weir serves on" in log.read_text())
    process.send_signal(signal.SIGHUP)
    until("its settings are read again", lambda: "settings reloaded" in log.read_text())
    process.terminate()
    assert process.wait(30) == 0 and not list(runtime.iterdir())


def test_reload_for_development(site: Path, tmp_path: Path) -> None:
    kept = WSGI.replace("no-store", "max-age=3600")
    (site / "app.py").write_text(kept)
    with serving(command("app", "--server", "uwsgi", "--reload"), tmp_path / "run", site) as running:
        until("the page is kept", lambda: "; hit" in running.get("/").cache)
        (site / "app.py").write_text(kept.replace("first", "a second version"))
        until("the new code is seen", lambda: running.get("/").body.startswith(b"a second version"))
        until("the page is kept", lambda: "; hit" in running.get("/").cache)
        (site / "templates").mkdir()
        (site / "templates/page.html").write_text("changed")
        until("it is reloaded for a template", partial(running.says, "the application is reloaded", 2))
        until("the page is made anew", lambda: "; hit" not in running.get("/").cache)


def test_reload_for_what_lies_beside_the_working_directory(site: Path, tmp_path: Path) -> None:
    """A package and settings that are imported from elsewhere, an application of Django, and templates."""
    beside = tmp_path / "beside"
    for directory in ("package", "templates", "letters"):
        (beside / directory).mkdir(parents=True)
    (beside / "package/__init__.py").write_text("VALUE = 1\n")
    (beside / "letters/__init__.py").write_text("")
    (beside / "letters/models.py").write_text("")
    (beside / "routes.py").write_text(
        "from django.http import HttpResponse\nfrom django.urls import path\nimport package\n"
        "urlpatterns = [path('', lambda request: HttpResponse(str(package.VALUE)))]\n"
    )
    (beside / "chosen.py").write_text(
        "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'routes'\nINSTALLED_APPS = ['letters']\n"
        "BACKEND = 'django.template.backends.django.DjangoTemplates'\n"
        f"TEMPLATES = [{{'BACKEND': BACKEND, 'DIRS': [{str(beside / 'templates')!r}]}}]\n"
    )
    (site / "django_app.py").write_text(
        "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
    )
    env = {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(beside), os.environ.get("PYTHONPATH")))),
        "DJANGO_SETTINGS_MODULE": "chosen",
    }
    given = command("django_app", "--server", "gunicorn", "--workers", "1", "--reload")
    with serving(given, tmp_path / "run", site, env) as running:
        edits = (
            ("package/__init__.py", "VALUE = 2\n"),
            ("letters/models.py", "# other models\n"),
            ("templates/letter.txt", "Dear"),
            ("chosen.py", (beside / "chosen.py").read_text() + "USE_TZ = True\n"),
            ("routes.py", (beside / "routes.py").read_text().replace("str(", "'new ' + str(")),
        )
        for reloads, (file, text) in enumerate(edits, 1):
            (beside / file).write_text(text)
            until(f"it is reloaded for {file}", partial(running.says, "the application is reloaded", reloads))
        assert running.get("/").body == b"new 2"


def test_a_server_that_answers_nobody_is_replaced(site: Path, tmp_path: Path) -> None:
    """All its threads wait for something that never comes: it lives, and takes connections."""
    (site / "stuck.py").write_text(
        "import threading\n"
        "def app(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/wait': threading.Event().wait()\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain'), ('Cache-Control', 'no-store')])\n"
        "    return [b'here']\n"
    )
    given = command("stuck", "--server", "gunicorn", "--workers", "1", "--threads", "2", "--timeout", "2s")
    with serving(given, tmp_path / "run", site) as running:

        def stick() -> bool:
            threads = [threading.Thread(target=running.get, args=("/wait",)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return running.says("the application's server answers nobody; it is replaced")

        until("it is replaced", stick)
        until("it answers again", lambda: running.get("/").body == b"here")
        assert running.says("the application is reloaded")
        assert not running.says("the application's server answers nobody; it is replaced", 2)


def test_nothing_is_left_when_weir_is_killed(site: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="not ended in order"),
        serving(command("app", "--server", "uwsgi"), tmp_path / "run", site) as running,
    ):
        children = Path(f"/proc/{running.process.pid}/task").glob("*/children")
        pids = [int(pid) for file in children for pid in file.read_text().split()]
        assert pids
        running.process.kill()
        running.process.wait()
        until("the server ends", lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def ended_children(pid: int) -> list[str]:
    """The children of a process that nobody has waited for."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            lines.append(file.read_text())
    return [line for line in lines if line.rpartition(") ")[2].split()[:2] == ["Z", str(pid)]]


def test_what_the_application_leaves_behind_is_waited_for_in_a_container(site: Path, tmp_path: Path) -> None:
    """Weir is the first process there, and the parent of all that have lost theirs."""
    alone = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no namespace of processes can be made here")
    with serving([*alone, *command("app", "--server", "uwsgi")], tmp_path / "run", site) as running:
        (first,) = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        until("something is left behind", lambda: running.get("/leave").status and ended_children(int(first)))
        until("somebody has waited for it", lambda: not ended_children(int(first)), 20)
        assert running.get("/").status == 200, "nobody has waited for the server itself"
        os.kill(int(first), signal.SIGTERM)
        assert running.process.wait(30) == 0


def test_flags_are_settings_that_can_be_kept(site: Path, tmp_path: Path) -> None:
    flags = ["app", "--static", "/files/=.", "--trusted-proxy", "10.0.0.0/8", "--purge-allow", "127.0.0.1"]
    flags += ["--max-body", "5MiB", "--ttl", "1d"]
    done = subprocess.run(command(*flags, "--print-config"), cwd=site, capture_output=True, text=True, check=True)
    file = tmp_path / "weir.toml"
    file.write_text(done.stdout)
    subprocess.run([weir(), "check", str(file)], check=True)
    assert 'trusted_proxies = ["10.0.0.0/8"]' in done.stdout and f'alias = "{site}/"' in done.stdout
    port = free_port()
    text = done.stdout.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("127.0.0.1:9900", "off")
    file.write_text(text)
    process = subprocess.Popen(command("app", "--config", str(file)), cwd=site)
    try:
        until("it answers", lambda: ask(port, "/").status == 200)
    finally:
        process.terminate()
    assert process.wait(30) == 0
