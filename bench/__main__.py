"""python -m bench: measures all figures, round by round, prints them as they come, writes results.md and results.json.

Run it by `make bench`, which does the set-up and the builds. bench/options.py tells what can be chosen.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bench import machine, options, report
from bench.contenders import Contender
from bench.failed import Failed
from bench.figure import Figure, Sample
from bench.figures import FIGURES
from bench.stage import Stage, stage

RESULTS = Path(__file__).parent


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        measure_all()
    except Failed as failed:
        print(f"bench: {failed}", file=sys.stderr)
        return 1
    return 0


def measure_all() -> None:
    chosen = options.from_environment(tuple(figure.name for figure in FIGURES))
    figures = [_with_those_there(figure) for figure in FIGURES if figure.name in chosen.figures]
    # What this program does itself must not disturb the server.
    os.sched_setaffinity(0, {chosen.load_core})
    facts = machine.facts()
    samples: report.Samples = {}
    with stage(chosen) as ready:
        for number, figure in enumerate(figures):
            samples[figure.name], mishaps = rounds(figure, ready)
            if mishaps:
                told = f" Measured once more: {'; '.join(mishaps)}."
                figures[number] = figure = replace(figure, explanation=figure.explanation + told)
            print(report.figure_as_markdown(figure, samples[figure.name]), flush=True)
    if len(figures) == len(FIGURES):
        (RESULTS / "results.md").write_text(report.as_markdown(chosen, facts, figures, samples))
        (RESULTS / "results.json").write_text(report.as_json(chosen, facts, samples))
        print("Written to bench/results.md and bench/results.json.")


def _with_those_there(figure: Figure) -> Figure:
    left_out = [contender.name for contender in figure.contenders if not contender.is_there()]
    if not left_out:
        return figure
    print(f"{figure.name}: without {', '.join(left_out)}, not installed", file=sys.stderr)
    there = [contender for contender in figure.contenders if contender.name not in left_out]
    note = f" Left out, for want of the program: {', '.join(left_out)}."
    return replace(figure, contenders=there, explanation=figure.explanation + note)


def rounds(figure: Figure, ready: Stage) -> tuple[dict[str, list[Sample]], list[str]]:
    """A B A B …: what disturbs the machine for a while disturbs all alike. Each starts afresh. And what had to be
    measured once more, and why."""
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in figure.contenders}
    mishaps: list[str] = []
    for number in range(ready.options.rounds):
        for contender in figure.contenders:
            print(f"{figure.name} {number + 1}/{ready.options.rounds} {contender.name}", file=sys.stderr, flush=True)
            try:
                sample = _measured(figure, contender, ready, number)
            except Failed as failed:
                # One failure must not cost the figures of an hour. It is reported, and a second one ends the run.
                mishaps.append(f"{contender.name}, round {number + 1}: {failed}")
                print(f"measured once more: {failed}", file=sys.stderr, flush=True)
                sample = _measured(figure, contender, ready, number)
            samples[contender.name].append(sample)
    return samples, mishaps


def _measured(figure: Figure, contender: Contender, ready: Stage, number: int) -> Sample:
    with contender.running(ready) as running:
        return figure.measure(running, number)


def _stop(number: int, _: FrameType | None) -> None:
    """Leaves by way of all that has to be stopped, and only once."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
