"""docs/python.md, "Django in five minutes", word by word from an empty directory."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from running import REPOSITORY, serving

WHEEL = os.environ.get("WEIR_WHEEL")


@pytest.mark.skipif(not WHEEL, reason="$WEIR_WHEEL names no wheel")
def test_django_in_five_minutes(tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs/python.md").read_text().split("## Django in five minutes\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```(sh|python)\n(.*?)```", guide, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["sh", "sh", "python", "sh"]
    install, make, settings, run = (text for _, text in blocks)
    install = install.replace("target/wheels/weir_server-*.whl", str(WHEEL))
    prepare, last = run.rsplit("python manage.py weir", 1)
    assert last.strip() == ""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "WEIR_BIN", "VIRTUAL_ENV")}
    env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
    env.pop("DJANGO_SETTINGS_MODULE", None)

    def shell(text: str) -> None:
        subprocess.run(["bash", "-euc", text], cwd=tmp_path, env=env, check=True)

    shell(install + make)
    site = tmp_path / "mysite"
    with (site / "mysite/settings.py").open("a") as file:
        file.write(settings)
    shell(f". venv/bin/activate\ncd mysite\n{prepare}")
    command = ["bash", "-c", '. ../venv/bin/activate\nexec python manage.py weir "$@"', "weir"]
    given = {"PYTHONPATH": "", "WEIR_BIN": "", "VIRTUAL_ENV": "", "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    with serving(command, tmp_path / "run", site, given, "/admin/login/") as running:
        assert running.get("/static/admin/css/base.css").status == 200
        login = running.get("/admin/login/")
        assert b"csrfmiddlewaretoken" in login.body
        assert "stored" not in login.cache, "a page with a token is for one visitor"
        assert running.get("/admin/", Host="elsewhere.example").status == 400
        assert running.says("runs on uwsgi")
