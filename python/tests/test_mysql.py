"""What a MariaDB changes by itself or under another name, where one and its driver are installed."""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import until

HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def running() -> Iterator[Path]:
    """Its socket."""
    if shutil.which("mariadbd") is None:
        pytest.skip("no MariaDB is installed")
    pytest.importorskip("MySQLdb")
    # The path of a socket has a limit, and it does not run as root.
    directory = Path(tempfile.mkdtemp(prefix="weir-"))
    user: dict[str, str | int] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": directory}
    data, socket = f"--datadir={directory}/data", directory / "socket"
    make = ["mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(make, check=True, **quiet, **user)  # type: ignore[call-overload]
    serve = [
        "mariadbd",
        "--no-defaults",
        data,
        f"--socket={socket}",
        "--skip-networking",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    process = subprocess.Popen(serve, **quiet, **user)  # type: ignore[call-overload]
    ask = [
        "mariadb",
        "--no-defaults",
        f"--socket={socket}",
        "-uroot",
        "-e",
        "CREATE DATABASE site; CREATE DATABASE second",
    ]
    try:
        until("it answers", lambda: subprocess.run(ask, **quiet).returncode == 0)  # type: ignore[call-overload]
        yield socket
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(directory, ignore_errors=True)


def test_changes_on_mariadb() -> None:
    with running() as socket:
        env = {**os.environ, "SITE_MYSQL": str(socket)}
        tests = ["tests/test_through_others.py", "tests/test_commits.py"]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--show-capture=no", *tests]
        subprocess.run(command, cwd=HERE.parent, env=env, check=True)
