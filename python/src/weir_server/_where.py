"""Where Weirs listen for purges, and where their tokens are: what a process was told, and what others left for it."""

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

USUAL_ADDRESS = "127.0.0.1:9900"
# The addresses that are written down for one database.
MOST = 4


def usual_addresses(database: str | None = None) -> tuple[str, ...]:
    """What `weir serve` tells its application; what such an application of this database has written down, for
    processes that nobody has told anything, such as a shell; or where Weir listens if nobody said otherwise.
    """
    named = os.environ.get("WEIR_ADMIN")
    if not named:
        # What is written down may be of a Weir that has ended since.
        named = ",".join(filter(None, (database and written_down(database), USUAL_ADDRESS)))
    parts = dict.fromkeys(part.strip() for part in named.split(","))
    return tuple(part for part in parts if part not in ("", "off"))


def write_down(database: str, address: str) -> None:
    """Tells other processes that change the same database where its Weir listens."""
    known = [part for part in (written_down(database) or "").split(",") if part]
    if address in known:
        return
    for directory in directories():
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=directory, delete=False) as new:
                new.write(",".join([address, *known][:MOST]))
            Path(new.name).replace(directory / note_of(database))
        except OSError:
            continue
        return


def write_down_what_was_told(database: str) -> None:
    """`weir serve` tells its application where it listens."""
    for address in filter(None, os.environ.get("WEIR_ADMIN", "").split(",")):
        if address.strip() != "off":
            write_down(database, address.strip())


def written_down(database: str) -> str | None:
    files = [directory / note_of(database) for directory in directories()]
    readable = [file for file in files if os.access(file, os.R_OK)]
    return max(readable, key=lambda file: file.stat().st_mtime).read_text().strip() if readable else None


def note_of(database: str) -> str:
    return f"database-{hashlib.blake2b(database.encode(), digest_size=12).hexdigest()}.admin"


def directories() -> list[Path]:
    """Where a process of Weir leaves what others of its user must know."""
    places = [
        os.environ.get("WEIR_RUNTIME_DIR"),
        "/run/weir",
        below("XDG_RUNTIME_DIR", "weir"),
        below("XDG_STATE_HOME", "weir"),
        below("HOME", ".local/state/weir"),
    ]
    return [Path(place) for place in places if place and place.startswith("/")]


def find_token(address: str) -> Path | None:
    """The file in which the process that listens at this address has written its token; see docs/security.md."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in address)
    exact = [directory / f"admin-{plain}.token" for directory in directories()]
    port = address.rpartition(":")[2]
    same_port = [file for directory in directories() for file in directory.glob(f"admin-*_{port}.token")]
    for files in (exact, same_port):
        readable = [file for file in files if os.access(file, os.R_OK)]
        if readable:
            return max(readable, key=lambda file: file.stat().st_mtime)
    return None


def below(variable: str, rest: str) -> str | None:
    directory = os.environ.get(variable)
    return f"{directory}/{rest}" if directory else None
