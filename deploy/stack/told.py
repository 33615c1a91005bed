"""What the test says, and how it ends when something does not hold."""

import sys
import time

PATIENCE = 120


def say(what, told=""):
    print(f"  {what}{': ' if told else ''}{told}", flush=True)


def check(right, what, told=""):
    if not right:
        sys.exit(f"NOT: {what}: {told}")
    say(what, told)


def timed(work):
    begun = time.monotonic()
    work()
    return f"{time.monotonic() - begun:.1f} s"


def until(what, look):
    """The first answer of `look` that is something; says so, and ends the test if none comes in time."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            sys.exit(f"NOT: {what}, within {PATIENCE} s")
        time.sleep(1)
    say(what)
    return found
