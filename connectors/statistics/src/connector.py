"""Statistics over lists of numbers."""

from dataclasses import dataclass
from math import isfinite
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
    try:
        mean, middle = fmean(values), median(values)
    except OverflowError:
        raise Failure.invalid("values", "are too large for their mean to be a number") from None
    if not (isfinite(mean) and isfinite(middle)):
        raise Failure.invalid("values", "are too large for their mean to be a number")
    return Summary(len(values), mean, middle, max(values))
