"""The panel of django-debug-toolbar, as a browser fetches it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from running import SITE

SCRIPT = """
import json, re
import django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", run_syncdb=True, verbosity=0)
found = {}
for path in ("tags", "shared", "change", "form", "never"):
    client = Client(enforce_csrf_checks=False)
    reply = client.post(f"/{path}/") if path == "change" else client.get(f"/{path}/")
    key = re.search(r'data-request-id="([^"]+)"', reply.content.decode())
    panel = client.get("/__debug__/render_panel/", {"request_id": key[1], "panel_id": "WeirPanel"})
    menu = re.search(r'id="djdt-WeirPanel".*?<small>(.*?)</small>', reply.content.decode(), re.DOTALL)
    found[path] = [panel.json()["content"], menu[1], reply.headers.get("Weir-Cache-Control")]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    state: Path = tmp_path_factory.mktemp("toolbar")
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "toolbar_settings", "SITE_STATE": str(state), "WEIR_ADMIN": "off"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=SITE, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    panels: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return panels


def test_tags_and_verdict(found: dict[str, list[str]]) -> None:
    content, short, control = found["tags"]
    assert short == "shared" and "Shared with all visitors who are not signed in" in content
    assert "Kept for 86400 s" in content and "<code>shop.tag:1</code> <code>shop.tag:2</code>" in content, content
    assert control == "private", "a page with the toolbar is not shared"
    assert "Shared with all visitors</h4>" in found["shared"][0] and "Kept for 3600 s" in found["shared"][0]


def test_why_not(found: dict[str, list[str]]) -> None:
    _, short, control = found["form"]
    assert (short, control) == ("shared", "private"), "Weir asks for the page with a hole"
    content, short, _ = found["never"]
    assert short == "private: no-store" and "@never_cache" in content


def test_purges(found: dict[str, list[str]]) -> None:
    content, short, _ = found["change"]
    assert short == "private: method" and "<code>shop.tag</code>" in content and "<code>shop.tag:1</code>" in content
    assert "This request changed nothing" in found["tags"][0]
