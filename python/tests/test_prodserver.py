"""`manage.py server` of django-prodserver is `manage.py weir`, with the flags that the settings name."""

import os
import subprocess
import sys

import pytest

from running import SITE

pytest.importorskip("django_prodserver")


def test_flags_are_arguments_of_the_process() -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "prodserver_settings"}
    command = [sys.executable, "manage.py", "server", "web"]
    done = subprocess.run(command, cwd=SITE, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'listen = ["127.0.0.1:18080"]' in done.stdout and 'max_body = "5MiB"' in done.stdout, done.stdout
