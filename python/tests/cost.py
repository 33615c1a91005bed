"""What the Django middleware costs a page that reads 100 rows: `python python/tests/cost.py`.

Two processes make the same pages, one with Weir's application and middleware and one without either. They take turns,
so that whatever else the machine does meets both. What is compared is the time of the processor, not of the clock. On
a busy machine that still varies by some percent: `--count` compares the instructions of both under valgrind instead,
which takes a minute and comes out alike each time.
"""

import argparse
import gc
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROWS = 100
# The pages, and what stands in each: 100 rows by one query, with a template as most sites have it or as JSON.
PAGES = ("/template/", "/json/")
# Requests in one turn: so few that many turns end before the kernel gives the processor to others.
TURN = 4
# The pages of the two processes that are counted. What the first ones cost more is in both.
FEW, MANY = 5, 45


def child(with_weir: bool, is_counted: bool) -> None:
    """Makes a page as often as a line of the input says, and prints the seconds that it took.

    What is counted makes the pages of each line in a process of its own, which begins as all others do.
    """
    import django
    from django.conf import settings

    sys.path.insert(0, str(HERE / "site"))
    import settings as site

    apps = [app for app in site.INSTALLED_APPS if with_weir or app != "weir_server.django"]
    middleware = [one for one in site.MIDDLEWARE if with_weir or not one.startswith("weir_server")]
    settings.configure(
        **{name: getattr(site, name) for name in dir(site) if name.isupper()}
        | {"INSTALLED_APPS": apps, "MIDDLEWARE": middleware, "ROOT_URLCONF": __name__}
        | {"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}
    )
    django.setup()
    prepare()
    from django.core.wsgi import get_wsgi_application
    from django.test import RequestFactory

    application, factory = get_wsgi_application(), RequestFactory()
    # A search for garbage in all that Django has loaded comes once in hundreds of pages, and costs more than one: it
    # would be in one count and not in the other.
    gc.freeze()
    for line in sys.stdin:
        path, times = line.split()
        if is_counted and (made := os.fork()):
            assert os.waitpid(made, 0)[1] == 0
            continue
        started = time.process_time()
        for _ in range(int(times)):
            response = application.get_response(factory.get(path))  # type: ignore[attr-defined]
        spent = time.process_time() - started
        assert response.status_code == 200 and response.content.count(b"comment ") == ROWS
        assert ("Surrogate-Key" in response) == with_weir
        print(spent, flush=True)
        if is_counted:
            return


def prepare() -> None:
    from django.db import connection

    from shop.models import Article, Author, Category, Comment

    with connection.schema_editor() as editor:
        for model in (Author, Category, Article, Comment):
            editor.create_model(model)
    author = Author.objects.create(name="author", slug="author")
    article = Article.objects.create(title="article", slug="article", author=author)
    rows = [Comment(article=article, author=author, text=f"comment {number}") for number in range(ROWS)]
    Comment.objects.bulk_create(rows)


class Turns:
    """One of the two processes."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, __file__, "--child", kind]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, env=environment(), **pipes)

    def take(self, path: str) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{path} {TURN}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)


def measure(path: str, rounds: int) -> tuple[float, float]:
    """The milliseconds for a page without and with Weir.

    The fastest tenth of the turns counts: those that nothing else on the machine has disturbed.
    """
    without, with_weir = Turns("without"), Turns("with")
    try:
        for one in (without, with_weir):
            one.take(path)
        pairs = [(without.take(path), with_weir.take(path)) for _ in range(rounds)]
    finally:
        without.end()
        with_weir.end()
    return tuple(fastest(times) / TURN * 1000 for times in zip(*pairs, strict=True))


def fastest(times: Sequence[float]) -> float:
    return statistics.median(sorted(times)[: max(1, len(times) // 10)])


def count(path: str) -> tuple[float, float]:
    """The millions of instructions for a page without and with Weir."""
    return refs("without", path), refs("with", path)


def refs(kind: str, path: str) -> float:
    """The millions of instructions for a page: what the process with many pages takes more than the one with few."""
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command = [*valgrind, sys.executable, __file__, "--count", "--child", kind]
    lines = f"{path} {FEW}\n{path} {MANY}\n"
    done = subprocess.run(command, input=lines, env=environment(), capture_output=True, text=True)
    # Each says it when it ends, and the one that they come from last.
    found = [int(number.replace(",", "")) for number in re.findall(r"I +refs: +([\d,]+)", done.stderr)]
    assert done.returncode == 0 and len(found) == 3, done.stderr[-2000:]
    return (found[1] - found[0]) / (MANY - FEW) / 1e6


def environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(HERE.parent / "src"), "SITE_STATE": tempfile.gettempdir(), "PYTHONHASHSEED": "0"}
    # As `weir serve` tells it.
    told = {"WEIR_ADMIN": "127.0.0.1:9900"}
    return {**os.environ, **told, **own}


def urls() -> list[object]:
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.template import engines
    from django.urls import path

    from shop.models import Comment

    row = "<li id='c{{ c.pk }}'>{{ c.text }} {% if c.approved %}✓{% endif %}</li>"
    template = engines["django"].from_string(f"<ul>{{% for c in rows %}}{row}{{% endfor %}}</ul>")

    def by_template(request: HttpRequest) -> HttpResponse:
        return HttpResponse(template.render({"rows": Comment.objects.order_by("pk")}, request))

    def by_json(request: HttpRequest) -> HttpResponse:
        return JsonResponse([[c.pk, c.text, c.approved] for c in Comment.objects.order_by("pk")], safe=False)

    return [path("template/", by_template), path("json/", by_json)]


def __getattr__(name: str) -> object:
    # Django asks for the addresses when it has its models.
    if name == "urlpatterns":
        return urls()
    raise AttributeError(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", action="store_true", help="count instructions")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--child", choices=("with", "without"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child == "with", options.count)
        return
    for path in PAGES:
        before, after = count(path) if options.count else measure(path, options.rounds)
        what = "million instructions" if options.count else "ms"
        print(f"{path:12} {before:7.3f} {what} without Weir, {after:7.3f} with it: {after / before - 1:+.1%}")


if __name__ == "__main__":
    main()
