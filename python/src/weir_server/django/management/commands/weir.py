"""`manage.py weir`: serves this site in production form, by its own settings."""

import itertools
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from weir_server import _toml, find_weir_bin
from weir_server.django import site
from weir_server.django.site import Flags

FORWARDED = ("server", "workers", "threads")


class Command(BaseCommand):
    help = (
        "Serves this site: Weir in front, and uWSGI, gunicorn, granian or uvicorn, whichever is installed, behind it."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = Flags()
        parser.add_argument("--listen", metavar="ADDRESS", default=usual.listen, help="default: %(default)s")
        parser.add_argument(
            "--admin", metavar="ADDRESS", default=usual.admin, help="default: %(default)s; off for none"
        )
        parser.add_argument("--ttl", metavar="TIME", default=usual.ttl, help="how long pages that do not say are kept")
        parser.add_argument("--max-body", metavar="SIZE", help="default: DATA_UPLOAD_MAX_MEMORY_SIZE, at least 10 MiB")
        parser.add_argument("--timeout", metavar="TIME", help="how long the site may take for a page; default: 60s")
        parser.add_argument("--tls", metavar="CERTIFICATE,KEY", help="serve HTTPS with these PEM files")
        parser.add_argument("--trusted-proxy", metavar="NETWORK", action="append", default=[])
        parser.add_argument("--purge-allow", metavar="NETWORK", action="append", default=[])
        parser.add_argument("--asgi", action="store_true", help="serve ASGI_APPLICATION instead of WSGI_APPLICATION")
        parser.add_argument("--server", choices=("uwsgi", "gunicorn", "granian", "uvicorn"))
        parser.add_argument("--workers", metavar="NUMBER")
        parser.add_argument("--threads", metavar="NUMBER")
        parser.add_argument("--reload", action="store_true", help="reload whenever code or a template changes")
        parser.add_argument("--print-config", action="store_true", help="print the settings, to be kept as a file")

    def handle(self, *args: Any, **options: Any) -> None:
        names = Flags.__dataclass_fields__
        flags = Flags(**{name: value for name, value in options.items() if name in names})
        text = _toml.dumps(site.site(flags))
        if options["print_config"]:
            self.stdout.write(text, ending="")
            return
        for warning in site.warnings(flags):
            self.stderr.write(f"weir: {warning}")
        try:
            weir = find_weir_bin()
        except FileNotFoundError as error:
            raise CommandError(str(error)) from None
        file = Path(tempfile.mkdtemp(prefix="weir-site-")) / "weir.toml"
        file.write_text(text, encoding="utf-8")
        # Its own words about what is wrong, before anything is started.
        if subprocess.run([weir, "check", file], stderr=subprocess.DEVNULL).returncode:
            wrong = subprocess.run([weir, "check", file], stderr=subprocess.PIPE, text=True).stderr
            file.unlink()
            file.parent.rmdir()
            raise CommandError(wrong.replace(f"{file}:", "").strip())
        command = [weir, "serve", site.application(options["asgi"]), "--config", str(file), "--remove-config"]
        command += ["--python", sys.executable, "--host", site.host()]
        for name in FORWARDED:
            if options[name]:
                command += [f"--{name}", str(options[name])]
        if options["reload"]:
            command.append("--reload")
        sys.stdout.flush()
        # It may have been called from another directory.
        os.environ["PYTHONPATH"] = os.pathsep.join(own_paths())
        os.execv(weir, command)


def own_paths() -> list[str]:
    """Where this process looks for modules before Python's own: the directory of manage.py, and what was named."""
    library = Path(os.__file__).parent
    # An archive comes first among Python's own.
    others = itertools.takewhile(lambda entry: Path(entry) != library and not entry.endswith(".zip"), sys.path)
    return list(dict.fromkeys(str(Path(entry).resolve()) for entry in others))
