"""Statistics over lists of numbers."""

from dataclasses import dataclass
from statistics import fmean, median

from flowforge import Failure


@dataclass
class Summary:
    count: int
    mean: float
    median: float
    max: float


def summarise(values: list[float]) -> Summary:
    """Summarise a list of numbers, at least one."""
    if not values:
        raise Failure.invalid("values", "must hold at least one number")
    return Summary(len(values), fmean(values), median(values), max(values))
