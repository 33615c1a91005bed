"""The results as people read them (Markdown) and as programs do (JSON): medians, spreads, ratios, goals."""

import json
from statistics import median

from bench.figure import Figure, Goal, Metric, Sample
from bench.options import Options

# By figure and contender, one for each round.
Samples = dict[str, dict[str, list[Sample]]]


def as_json(options: Options, facts: dict[str, str], samples: Samples) -> str:
    settings = {"rounds": options.rounds, "seconds": options.seconds}
    settings |= {"connections": options.connections, "idle": options.idle}
    return json.dumps({"machine": facts, "options": settings, "samples": samples}, indent=1, ensure_ascii=False) + "\n"


def as_markdown(options: Options, facts: dict[str, str], figures: list[Figure], samples: Samples) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "cores")
    parts = [
        "# Weir beside nginx, H2O, Varnish and HAProxy\n",
        f"{facts['cores']}; {machine}.\n",
        f"Medians of {options.rounds} rounds, with the least and the most; the servers took turns, each started "
        f"afresh, for {options.seconds} s. The server had one core, with all its processes; the load generator (wrk, "
        f"{options.connections} keep-alive connections, one thread) and uWSGI had another. CPU is user and system time "
        "of all processes of the server. Where a server used less than all of its core, it waited for the others, and "
        "the rate is not its own. `÷` is the ratio to the first line.\n",
    ]
    parts += [figure_as_markdown(figure, samples[figure.name]) for figure in figures]
    return "\n".join(parts)


def figure_as_markdown(figure: Figure, samples: dict[str, list[Sample]]) -> str:
    lines = [f"## {figure.title}", "", figure.explanation, ""]
    heads = [head for metric in figure.metrics for head in ([metric.title, "÷"] if metric.compared else [metric.title])]
    lines.append("| | " + " | ".join(heads) + " |")
    lines.append("|---|" + "---:|" * len(heads))
    base = figure.contenders[0].name
    for contender in figure.contenders:
        cells = []
        for metric in figure.metrics:
            cells.append(_spread(metric, _values(samples, contender.name, metric)))
            if metric.compared:
                cells.append("" if contender.name == base else f"{_ratio(samples, contender.name, base, metric):.2f}")
        lines.append(f"| {contender.name} | " + " | ".join(cells) + " |")
    lines += [""] + [_verdict(goal, base, samples) for goal in figure.goals]
    return "\n".join(lines).rstrip() + "\n"


def _verdict(goal: Goal, base: str, samples: dict[str, list[Sample]]) -> str:
    name, metric = goal.contender.name, goal.metric
    base = goal.of.name if goal.of else base
    reached = _ratio(samples, name, base, metric) if goal.relative else median(_values(samples, name, metric))
    bound = f"{goal.bound:g} × {base}" if goal.relative else f"{goal.bound:g}"
    well = reached >= goal.bound if goal.at_least else reached <= goal.bound
    wanted = f"{bound} or {'more' if goal.at_least else 'less'}"
    return f"* Goal for {name}, {metric.title}: {wanted}. {'Reached' if well else '**Not reached**'}: {reached:,.2f}."


def _spread(metric: Metric, values: list[float]) -> str:
    middle, least, most = (f"{value:,.{metric.digits}f}" for value in (median(values), min(values), max(values)))
    return f"{middle} ({least}–{most})"


def _ratio(samples: dict[str, list[Sample]], name: str, base: str, metric: Metric) -> float:
    below = median(_values(samples, base, metric))
    return median(_values(samples, name, metric)) / below if below else float("nan")


def _values(samples: dict[str, list[Sample]], name: str, metric: Metric) -> list[float]:
    return [sample[metric.name] for sample in samples[name]]
