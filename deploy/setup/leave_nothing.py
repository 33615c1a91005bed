#!/usr/bin/env python3
"""leave_nothing.py COMMAND…: runs a command and ends with its exit code, or with 1 if it left processes running.

Children that lose their parent become this process's own (a Linux "child subreaper"), so none can slip away by forking;
those still alive when the command has ended are named and killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
SECONDS_TO_END = 5


def main():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        code = ended(subprocess.Popen(sys.argv[1:]))
    except KeyboardInterrupt:
        code = 130
    left = still_running()
    if not left:
        print("No process is left running.")
    while left:
        for pid in left:
            print(f"left running, now killed: {pid} {command_line(pid)}", file=sys.stderr)
            os.kill(pid, 9)
        code = code or 1
        left = still_running()
    return code if code >= 0 else 128 - code


def interrupt(_signal, _frame):
    """Whoever is stopped in the background has no terminal whose Ctrl-C it would see; once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def ended(command):
    """Waits for the command, and meanwhile for every orphan: whoever looks must not find one that is not reaped."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == command.pid:
            return os.waitstatus_to_exitcode(status)


def still_running():
    """The orphans we inherited that do not end within a few seconds. Reaps those that do."""
    deadline = time.monotonic() + SECONDS_TO_END
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return []
        if time.monotonic() > deadline:
            return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
        time.sleep(0.05)


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "(gone)"


if __name__ == "__main__":
    sys.exit(main())
