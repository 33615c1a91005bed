"""Sees that the tests which docs/rfcs/ cites can fail: `python -m mutations`, from tests/ (docs/rfcs.md).

Each entry of list.toml changes one line in a copy of the repository, so that Weir does what an RFC forbids there. Then
the tests that hold the named sentences are run alone. A sentence all of whose tests pass is not held by them.
CRATES="http1 http2" chooses; SCRATCH names the folder of the copy, which is kept, and built in.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PASSED = re.compile(r"test result: (ok|FAILED)\. (\d+) passed; (\d+) failed")


def main() -> int:
    scratch = Path(os.environ.get("SCRATCH", Path(tempfile.gettempdir()) / "weir-mutations"))
    copy(scratch)
    mutations = tomllib.loads(Path(__file__).with_name("list.toml").read_text())["mutation"]
    chosen = os.environ.get("CRATES", "").split()
    mutations = [one for one in mutations if not chosen or one["file"].split("/")[1] in chosen]
    tests = {test for one in mutations for sentence in one["sentences"] for test in cited(*sentence.split(" ", 2))}
    before = {test: run(scratch, test) for test in sorted(tests)}
    faults = [f"{test}: {result} before any change" for test, result in before.items() if result != "passed"]
    tried = 0
    print(*faults, sep="\n", end="\n" if faults else "")
    for mutation in mutations:
        for sentence, fault in outcomes(scratch, mutation):
            tried += 1
            if fault:
                faults.append(fault)
                print(f"{mutation['file']}: {mutation['line'].strip()}\n  {sentence}: {fault}", flush=True)
    print(f"{tried} sentences: {tried - len(faults)} tests fail when the line is broken, {len(faults)} do not")
    return 1 if faults else 0


def copy(scratch: Path) -> None:
    """The tracked files as they are now, without touching what has not changed, so that little is built anew."""
    scratch.mkdir(parents=True, exist_ok=True)
    names = subprocess.run(["git", "ls-files", "-z", ":!docs/*.png"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        source, target = ROOT / name, scratch / name
        if not source.is_file() or (target.is_file() and target.read_bytes() == source.read_bytes()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())


def outcomes(scratch: Path, mutation: dict) -> Iterator[tuple[str, str]]:
    """Each sentence, and what is wrong with its tests; nothing if one fails."""
    file = scratch / mutation["file"]
    text = file.read_text()
    if text.count(mutation["line"]) != 1:
        yield mutation["sentences"][0], "the line is not there once: set list.toml right"
        return
    file.write_text(text.replace(mutation["line"], mutation["broken"]))
    known: dict[str, str] = {}
    try:
        for sentence in mutation["sentences"]:
            tests = cited(*sentence.split(" ", 2))
            known |= {test: run(scratch, test) for test in tests if test not in known}
            results = [known[test] for test in tests]
            if "failed" in results:
                yield sentence, ""
            else:
                yield sentence, f"{', '.join(tests) or 'no test'}: {', '.join(results) or 'not cited'}"
    finally:
        file.write_text(text)


def cited(rfc: str, section: str, beginning: str) -> list[str]:
    """The tests of crates that a sentence cites."""
    listed = tomllib.loads((ROOT / f"docs/rfcs/{rfc}.toml").read_text())["requirement"]
    found = [one for one in listed if one["section"] == section and one["quote"].startswith(beginning)]
    if len(found) != 1:
        return []
    return [test for test in found[0].get("test", []) if test.startswith("crates/")]


def run(scratch: Path, test: str) -> str:
    """Passed, failed, or does not build."""
    file, _, name = test.partition("#")
    command = ["cargo", "test", "--quiet", "--offline", "-p", file.split("/")[1], "--lib", "--", name]
    env = {**os.environ, "RUSTFLAGS": "-Awarnings"}
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=900, env=env)
    result = PASSED.search(done.stdout)
    if result is None:
        return "does not build: " + " ".join(done.stderr.split())[:300]
    if int(result[2]) + int(result[3]) == 0:
        return "no such test"
    return "failed" if result[1] == "FAILED" else "passed"


if __name__ == "__main__":
    sys.exit(main())
