"""The tests of tags and purges again, on a PostgreSQL of their own: its SQL, its types, and its cursors."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PLACES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/bin"), Path("/usr/bin")]
PROGRAMS = next((place for place in PLACES if (place / "initdb").exists()), None)
# What each test makes of them is said there.
TESTS = [
    "test_never_old.py",
    "test_changes.py",
    "test_strange.py",
    "test_forms.py",
    "test_locks.py",
    "test_sqlalchemy.py",
]


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    """The directory of its socket."""
    if PROGRAMS is None:
        pytest.skip("no PostgreSQL is installed")
    pytest.importorskip("psycopg")
    # It does not run as root, and the path of a socket has a limit.
    user: dict[str, str | int] = {}
    directory = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    quiet = {"stdout": subprocess.DEVNULL, "cwd": directory, **user}
    data = directory / "data"
    command = [PROGRAMS / "initdb", "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync"]
    subprocess.run([*command, "--encoding", "UTF8", "--locale", "C"], check=True, **quiet)  # type: ignore[call-overload]
    options = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off"
    control = [PROGRAMS / "pg_ctl", "--pgdata", data, "--wait", "--timeout", "120"]
    log = ["--log", directory / "log", "--options", options]
    try:
        subprocess.run([*control, *log, "start"], check=True, **quiet)  # type: ignore[call-overload]
        yield directory
    finally:
        subprocess.run([*control, "--mode", "immediate", "stop"], **quiet)  # type: ignore[call-overload]
        shutil.rmtree(directory, ignore_errors=True)


def test_tags_and_purges_on_postgresql(socket: Path) -> None:
    env = {"WEIR_CHANGES": "25", **os.environ, "SITE_POSTGRES": str(socket)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--show-capture=no", *(f"tests/{name}" for name in TESTS)]
    subprocess.run(command, cwd=HERE.parent, env=env, check=True)
