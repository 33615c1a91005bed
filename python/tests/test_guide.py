"""The guides of docs/guides.md and docs/python.md, word by word from an empty directory.

Each makes a virtual environment of its own, so most are tried only with `$WEIR_GUIDES`.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import REPOSITORY, Browser, Running, ask, free_port, serving, until, weir

WHEEL = os.environ.get("WEIR_WHEEL")
pytestmark = pytest.mark.skipif(not WHEEL, reason="$WEIR_WHEEL names no wheel")
all_of_them = pytest.mark.skipif("WEIR_GUIDES" not in os.environ, reason="$WEIR_GUIDES is not set")
# Nothing of it leads to the source.
HIDDEN = ("PYTHONPATH", "WEIR_BIN", "VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE")
# The command that a guide ends with.
SERVES = re.compile(r"^(python manage\.py weir|weir serve app:app|weir run)$", re.MULTILINE)


class Guide:
    """One section of a document: its blocks, in order."""

    def __init__(self, file: str, title: str) -> None:
        text = (REPOSITORY / "docs" / file).read_text().split(f"## {title}\n")[1].split("\n## ")[0]
        parts = re.findall(r"(.*?)```(\w+)\n(.*?)```", text, re.DOTALL)
        # A file's name stands in the text before its block.
        self.blocks = [(kind, (re.findall(r"`([\w./]+\.\w+)`", said) or [""])[-1], code) for said, kind, code in parts]

    @contextlib.contextmanager
    def followed(self, directory: Path, **replaced: str) -> Iterator[Running]:
        """Does what the guide says, and runs its last command on other ports."""
        env = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
        done = ""
        for kind, file, code in self.blocks:
            text = code.replace("target/wheels/weir_server-*.whl", str(WHEEL))
            for old, new in replaced.items():
                text = text.replace(old, new)
            if kind == "sh":
                command = SERVES.search(text)
                done += text[: command.start()] if command else text
                self.shell(directory, done, env)
                # The next block goes on in the same shell.
                done = "\n".join(re.findall(r"^(?:cd .*|\. .*)$", done, re.MULTILINE)) + "\n"
            else:
                place = directory / ("mysite" if "/" in file and (directory / "mysite").is_dir() else ".") / file
                with place.open("a") as out:
                    out.write(text)
        assert command is not None, "the guide ends with a command that serves"
        script = f'{done}exec {command[0]} "$@"'
        at = directory / "mysite" if (directory / "mysite").is_dir() else directory
        given = dict.fromkeys(HIDDEN, "") | {"DJANGO_SETTINGS_MODULE": settings_of(directory)}
        with serving(["bash", "-euc", f"cd {directory}\n{script}", "weir"], directory / "run", at, given) as running:
            yield running

    def shell(self, directory: Path, text: str, env: dict[str, str]) -> None:
        subprocess.run(["bash", "-euc", text], cwd=directory, env=env, check=True)


def settings_of(directory: Path) -> str:
    site = directory / "mysite/mysite"
    return "mysite.settings.dev" if (site / "settings").is_dir() else "mysite.settings" if site.is_dir() else ""


def test_django_in_five_minutes(tmp_path: Path) -> None:
    guide = Guide("python.md", "Django in five minutes")
    assert [kind for kind, _, _ in guide.blocks] == ["sh", "sh", "python", "sh"]
    with guide.followed(tmp_path) as running:
        assert running.get("/static/admin/css/base.css").status == 200
        login = running.get("/admin/login/")
        assert b"csrfmiddlewaretoken" in login.body
        assert running.get("/admin/", Host="elsewhere.example").status == 400
        assert running.says("runs on uwsgi")


@all_of_them
def test_wagtail(tmp_path: Path) -> None:
    with Guide("guides.md", "Wagtail").followed(tmp_path) as running:
        until("the home page is kept", lambda: "; hit; ttl=86" in running.get("/").cache)
        login = Browser(running.port, "localhost").get("/admin/login/")
        assert login.status == 200 and b"wagtail" in login.body.lower()


@all_of_them
def test_flask(tmp_path: Path) -> None:
    with Guide("guides.md", "Flask").followed(tmp_path) as running:
        assert running.get("/").body == b"[]\n"
        assert "; hit; ttl=86" in running.get("/").cache
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        assert ask(running.port, "/add", "POST", b"text=Hello", **form).headers["weir-purge"] == "complete"
        assert running.get("/").body == b'["Hello"]\n'


@all_of_them
def test_fastapi(tmp_path: Path) -> None:
    with Guide("guides.md", "FastAPI").followed(tmp_path) as running:
        assert running.get("/").body == b"[]"
        hit = running.get("/")
        assert "; hit; ttl=86" in hit.cache and "surrogate-key" not in hit.headers
        assert ask(running.port, "/add?text=Hello", "POST", b"").headers["weir-purge"] == "complete"
        assert running.get("/").body == b'["Hello"]'


SEEN = """
def app(environ, start_response):
    start_response("200 OK", [("Cache-Control", "no-store")])
    return [f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']} {environ['HTTP_HOST']}".encode()]
"""


def test_behind_a_load_balancer(tmp_path: Path) -> None:
    """With nginx as the balancer, which ends TLS as far as its fields say."""
    flag = re.search(r"--trusted-proxy [\d./]+", str(Guide("guides.md", "Behind a load balancer").blocks))
    assert flag is not None
    (tmp_path / "seen.py").write_text(SEEN)
    command = [weir(), "serve", "seen:app", "--python", sys.executable, "--server", "uwsgi"]
    command += flag[0].replace("10.0.0.0/8", "127.0.0.0/8").split()
    with serving(command, tmp_path / "run", tmp_path) as running, balancer(tmp_path, running.port) as port:
        until("the balancer answers", lambda: ask(port, "/").status == 200)
        assert ask(port, "/", Host="example.com").body == b"https 192.0.2.7 example.com"
        readiness = ask(running.admin, "/readyz", Host=f"127.0.0.1:{running.admin}")
        assert readiness.status == 200


@contextlib.contextmanager
def balancer(directory: Path, backend: int) -> Iterator[int]:
    port = free_port()
    file = directory / "nginx.conf"
    file.write_text(
        f"daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;\n"
        f"fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{backend};\n"
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-For 192.0.2.7;\n"
        "proxy_set_header X-Forwarded-Proto https; } } }\n"
    )
    nginx = os.environ.get("WEIR_NGINX") or shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen([nginx, "-e", directory / "error.log", "-c", file])
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


NGINX = """
http {
    server {
        listen 127.0.0.1:PORT;
        server_name localhost;
        root STATIC;
        location /static/ { alias STATIC/; expires 1h; }
        location / { include uwsgi_params; uwsgi_pass 127.0.0.1:SOCKET; }
    }
}
"""


def test_from_nginx(tmp_path: Path) -> None:
    guide = Guide("guides.md", "From nginx")
    assert [kind for kind, _, _ in guide.blocks] == ["sh", "sh"]
    port, socket = free_port(), free_port()
    static = tmp_path / "static"
    static.mkdir()
    (static / "site.css").write_text("body {}")
    text = NGINX.replace("PORT", str(port)).replace("STATIC", str(static)).replace("SOCKET", str(socket))
    (tmp_path / "nginx.conf").write_text(text)
    (tmp_path / "uwsgi_params").write_text("uwsgi_param QUERY_STRING $query_string;\n")
    (tmp_path / "seen.py").write_text(SEEN.replace('("Cache-Control", "no-store")', ""))
    env = {**os.environ, "PATH": f"{Path(weir()).parent}:{os.environ['PATH']}"}
    commands = "".join(code for _, _, code in guide.blocks).replace("/etc/nginx", str(tmp_path))
    prepare, last, _ = commands.rpartition("weir run\n")
    assert last and subprocess.run(["bash", "-euc", prepare], cwd=tmp_path, env=env).returncode == 0
    uwsgi = os.environ.get("WEIR_UWSGI", f"{sys.prefix}/bin/uwsgi")
    server = [uwsgi, "--socket", f"127.0.0.1:{socket}", "--wsgi-file", "seen.py", "--callable", "app", "--die-on-term"]
    processes = [
        subprocess.Popen(server, cwd=tmp_path, stderr=subprocess.DEVNULL),
        subprocess.Popen(["bash", "-c", f"exec {last}"], cwd=tmp_path, env=env),
    ]
    try:
        until("the page is kept", lambda: "; hit" in ask(port, "/", Host="localhost").cache)
        assert ask(port, "/static/site.css", Host="localhost").body == b"body {}"
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(40)
