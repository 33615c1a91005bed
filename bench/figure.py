"""What a figure is: its contenders, its metrics, how it is measured, what is to be reached."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.contenders import Contender, Running

# One measurement: the metrics by name.
Sample = dict[str, float]


@dataclass(frozen=True)
class Metric:
    name: str
    title: str
    digits: int
    # Whether a ratio between servers tells anything.
    compared: bool = True


@dataclass(frozen=True)
class Goal:
    """`contender` is to reach `bound`: of the median of `of`, or of the first contender, where `relative`; else the
    number itself."""

    contender: Contender
    metric: Metric
    at_least: bool
    bound: float
    relative: bool = True
    of: Contender | None = None


@dataclass(frozen=True)
class Figure:
    name: str
    title: str
    explanation: str
    contenders: list[Contender]
    metrics: list[Metric]
    measure: Callable[[Running, int], Sample]
    goals: list[Goal]
