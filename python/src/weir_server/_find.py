"""Finds the program `weir` that was installed with this package."""

import os
import sys
import sysconfig
from pathlib import Path


def find_weir_bin() -> str:
    """Returns the path of the program `weir`; `$WEIR_BIN` names another one.

    Raises FileNotFoundError, which names the places where it is not.
    """
    if named := os.environ.get("WEIR_BIN"):
        return named
    name = "weir" + (sysconfig.get_config_var("EXE") or "")
    places = [place / name for place in _directories()]
    for file in places:
        if file.is_file() and os.access(file, os.X_OK):
            return str(file)
    tried = ", ".join(str(file) for file in places)
    raise FileNotFoundError(f"the program weir is not installed: none of these exists: {tried}")


def _directories() -> list[Path]:
    """Where installers put programs: for this environment, for this user, and beside a `pip install --target`."""
    found = [Path(sysconfig.get_path("scripts"))]
    if sys.prefix != sys.base_prefix:
        found.append(Path(sys.prefix) / "bin")
    found.append(Path(sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user"))))
    package = Path(__file__).resolve().parent
    found.append(package.parent / "bin")
    return list(dict.fromkeys(found))
