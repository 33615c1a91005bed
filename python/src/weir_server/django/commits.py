"""Keeps the tags of what a transaction changes until it is committed, as Django keeps the functions of `on_commit`.

Not among them: tests of a site count these.
"""

from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from weir_server import _tags

# More tags than this of one transaction are those of their tables.
MOST, MOST_PARTS = 20_000, 1_000
# Errors after which nobody knows what the database has done: the connection may have been lost behind it.
LOST = (OperationalError, InterfaceError)

Deliver = Callable[[set[str]], None]

# In the attributes of a connection: what `atomic` will commit, with the savepoints that it stands behind; what a
# commit by hand will; and that a statement has begun a transaction past Django.
PENDING, WAITING, BEGUN = "weir_pending", "weir_waiting", "weir_begun"
# What its role may ask, and that it has had several roles.
MAY_ASK, SEVERAL = "weir_may_ask", "weir_roles"


# Savepoints and tags, in the order of the changes.
Changes = list[tuple[set[str], set[str]]]


def pending(connection: BaseDatabaseWrapper) -> Changes:
    found: Changes = connection.__dict__.setdefault(PENDING, [])
    return found


def take(connection: BaseDatabaseWrapper) -> set[str]:
    return {tag for _, tags in connection.__dict__.pop(PENDING, ()) for tag in tags}


def put(changes: Changes, behind: set[str], tags: set[str]) -> None:
    """A transaction may change millions of rows, and is kept in memory."""
    if changes and changes[-1][0] == behind:
        known = changes.pop()[1]
        known |= tags
        tags = known
    elif len(changes) >= MOST_PARTS:
        # What is rolled back to a savepoint of these is purged as well.
        tags, behind = tags.union(*(one for _, one in changes)), set()
        changes.clear()
    changes.append((behind, _tags.coarser(tags, MOST)))


def is_by_hand(connection: BaseDatabaseWrapper) -> bool:
    """Whether a statement has begun a transaction."""
    return BEGUN in connection.__dict__


def add(connection: BaseDatabaseWrapper, tags: set[str], deliver: Deliver) -> None:
    """Something was changed: now, if it is committed already."""
    is_ended_by_django = connection.commit_on_exit if connection.in_atomic_block else connection.get_autocommit()
    if not is_ended_by_django or (not connection.in_atomic_block and is_by_hand(connection)):
        # Transactions by hand: with the next commit.
        waiting: set[str] = connection.__dict__.setdefault(WAITING, set())
        waiting |= tags
        connection.__dict__[WAITING] = _tags.coarser(waiting, MOST)
    elif connection.in_atomic_block:
        put(pending(connection), set(connection.savepoint_ids), set(tags))
    else:
        deliver(tags)


def by_hand(connection: BaseDatabaseWrapper, act: str, deliver: Deliver) -> None:
    """A statement that begins or ends a transaction, past Django. SQLite's own for `atomic` is one too: see below."""
    if act == "begin":
        connection.__dict__[BEGUN] = True
        return
    connection.__dict__.pop(BEGUN, None)
    waiting = connection.__dict__.pop(WAITING, None)
    if waiting and act == "commit":
        deliver(waiting)


def forget(connection: BaseDatabaseWrapper) -> None:
    """What was begun has ended with the connection before this one."""
    for name in (BEGUN, PENDING, MAY_ASK, SEVERAL):
        connection.__dict__.pop(name, None)


def install(deliver: Deliver) -> None:
    """Call it once."""
    run: Callable[[Any], None] = BaseDatabaseWrapper.run_and_clear_commit_hooks
    commit: Callable[[Any], None] = BaseDatabaseWrapper.commit
    rollback: Callable[[Any], None] = BaseDatabaseWrapper.rollback
    back_to: Callable[[Any, str], None] = BaseDatabaseWrapper.savepoint_rollback
    turn: Callable[..., None] = BaseDatabaseWrapper.set_autocommit

    def run_and_clear_commit_hooks(self: BaseDatabaseWrapper) -> None:
        """One purge for the transaction, before the functions of the site."""
        if tags := take(self):
            deliver(tags)
        run(self)

    def commit_by_hand(self: BaseDatabaseWrapper) -> None:
        try:
            commit(self)
        except LOST:
            # It may be committed all the same.
            deliver(take(self) | self.__dict__.pop(WAITING, set()))
            raise
        waiting = self.__dict__.pop(WAITING, None)
        if waiting:
            deliver(waiting)

    def set_autocommit(self: BaseDatabaseWrapper, autocommit: bool, *args: Any, **more: Any) -> None:
        turn(self, autocommit, *args, **more)
        # Now Django knows of the transaction.
        self.__dict__.pop(BEGUN, None)
        # To turn it on commits.
        waiting = self.__dict__.pop(WAITING, None) if autocommit else None
        if waiting:
            deliver(waiting)

    def rollback_by_hand(self: BaseDatabaseWrapper) -> None:
        rollback(self)
        take(self)
        self.__dict__.pop(WAITING, None)

    def savepoint_rollback(self: BaseDatabaseWrapper, sid: str) -> None:
        back_to(self, sid)
        if PENDING in self.__dict__:
            self.__dict__[PENDING] = [one for one in self.__dict__[PENDING] if sid not in one[0]]

    BaseDatabaseWrapper.run_and_clear_commit_hooks = run_and_clear_commit_hooks  # type: ignore[method-assign]
    BaseDatabaseWrapper.commit = commit_by_hand  # type: ignore[method-assign]
    BaseDatabaseWrapper.rollback = rollback_by_hand  # type: ignore[method-assign]
    BaseDatabaseWrapper.set_autocommit = set_autocommit  # type: ignore[method-assign]
    BaseDatabaseWrapper.savepoint_rollback = savepoint_rollback  # type: ignore[method-assign]
