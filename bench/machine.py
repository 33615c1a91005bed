"""Where and with what a run was made: cores, kernel, versions."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from bench.contenders import BUILT

PATIENCE = 10


def facts() -> dict[str, str]:
    return {
        "cores": f"{os.cpu_count()} × {_processor()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "nginx": _version("nginx", "-v"),
        "HAProxy": _version("haproxy", "-v"),
        "H2O": _version("h2o", "--version"),
        "Varnish": _version("varnishd", "-V"),
        "weir": _version(f"{BUILT}/weir", "--version") + _commit(),
        "uWSGI": _version(".venv/bin/uwsgi", "--version"),
        "wrk": _version("wrk", "-v"),
        "h2load": _version("h2load", "--version"),
        "Python": platform.python_version(),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _version(*command: str) -> str:
    """The first number with dots in what the command says."""
    if shutil.which(command[0]) is None:
        return "none"
    said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else "unknown"


def _commit() -> str:
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    said = subprocess.run(describe, capture_output=True, text=True, timeout=PATIENCE)
    return f" ({said.stdout.strip()})" if said.returncode == 0 else ""
