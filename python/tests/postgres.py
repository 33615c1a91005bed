"""A PostgreSQL of a test's own, where one is installed."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PLACES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/bin"), Path("/usr/bin")]
PROGRAMS = next((place for place in PLACES if (place / "initdb").exists()), None)


@contextlib.contextmanager
def running() -> Iterator[Path]:
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
