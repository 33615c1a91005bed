"""Clones a suite into the scratch folder, once."""

import subprocess
from pathlib import Path


def checkout(source: str, repository: str, scratch: Path) -> Path:
    """`source`: where repositories are, or a folder with clones of them by their last names."""
    directory = scratch / repository.rpartition("/")[2]
    if not directory.exists():
        here = Path(source) / directory.name
        origin = str(here) if here.exists() else f"{source}/{repository}"
        command = ["git", "clone", "--quiet", "--depth", "1", origin, str(directory)]
        subprocess.run(command, check=True, timeout=300)
    return directory
