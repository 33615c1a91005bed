"""Public suites against Weir, beside nginx: `python -m suites`, from tests/ (docs/suites.md).

The suites are checked out into a scratch folder; nothing of theirs is kept here. WEIR_BIN names the program.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from suites import gunicorn_requests, http11probe, llhttp, tls
from suites.case import Case, Result, judged
from suites.checkout import checkout
from suites.drive import Answer, send
from suites.servers import Servers

# Each suite, where it is, and what reads its cases.
CORPORA: dict[str, tuple[str, Callable[[Path], Iterable[Case]]]] = {
    "gunicorn": ("benoitc/gunicorn", gunicorn_requests.cases),
    "llhttp": ("nodejs/llhttp", llhttp.cases),
    "http11probe": ("MDA2AV/Http11Probe", http11probe.cases),
}
TLS = ("tlsfuzzer/tlsfuzzer", tls.results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="*", help="gunicorn, llhttp, http11probe, tlsfuzzer; all of them without any")
    parser.add_argument("--from", dest="source", default="https://github.com", help="where repositories come from")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "weir-suites")
    parser.add_argument("--verbose", action="store_true", help="print each case that does not hold")
    options = parser.parse_args()
    wanted = options.suite or [*CORPORA, "tlsfuzzer"]
    options.scratch.mkdir(parents=True, exist_ok=True)
    print("| suite | server | cases | as it wants | stricter | laxer | not for a server |")
    print("|---|---|---|---|---|---|---|")
    with Servers(options.scratch / "servers") as servers:
        for name in wanted:
            repository, reader = CORPORA.get(name, TLS)
            directory = checkout(options.source, repository, options.scratch)
            for server, ports in servers.ports.items():
                if name == "tlsfuzzer":
                    results = list(tls.results(directory, ports.tls))
                else:
                    results = [(case, judged(case, answer(ports.plain, case))) for case in reader(directory)]
                report(name, server, results, options.verbose)


def answer(port: int, case: Case) -> Answer | None:
    return None if case.skipped else send(port, case.data)


def report(name: str, server: str, results: list[tuple[Case, Result]], verbose: bool) -> None:
    count = {result: sum(found is result for _, found in results) for result in Result}
    numbers = " | ".join(str(count[result]) for result in Result)
    print(f"| {name} | {server} | {len(results)} | {numbers} |", flush=True)
    if verbose:
        for case, result in results:
            if result in (Result.STRICTER, Result.LAXER):
                print(f"{server}: {result.value}: {case.name}: {case.saw}; wanted {case.want}", file=sys.stderr)


if __name__ == "__main__":
    main()
