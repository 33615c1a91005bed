"""`python -m weir_server …`: the program `weir`, for environments whose programs are not on the PATH; and `audit`."""

import os
import sys

from weir_server._find import find_weir_bin


def main() -> None:
    if sys.argv[1:2] == ["audit"]:
        from weir_server.audit.command import main as audit

        sys.exit(audit(sys.argv[2:]))
    weir = find_weir_bin()
    os.execv(weir, [weir, *sys.argv[1:]])


if __name__ == "__main__":
    main()
