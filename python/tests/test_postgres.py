"""The tests of tags and purges again, on a PostgreSQL of their own: its SQL, its types, and its cursors."""

import os
import subprocess
import sys
from pathlib import Path

import postgres

HERE = Path(__file__).resolve().parent
# What each test makes of them is said there.
TESTS = [
    "test_never_old.py",
    "test_changes.py",
    "test_commits.py",
    "test_strange.py",
    "test_forms.py",
    "test_locks.py",
    "test_roles.py",
    "test_schemas.py",
    "test_by_itself.py",
    "test_through_others.py",
    "test_sqlalchemy.py",
]


def test_tags_and_purges_on_postgresql() -> None:
    with postgres.running() as socket:
        env = {"WEIR_CHANGES": "25", **os.environ, "SITE_POSTGRES": str(socket)}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--show-capture=no", *(f"tests/{one}" for one in TESTS)]
        subprocess.run(command, cwd=HERE.parent, env=env, check=True)
