"""Figures as they are written: medians with their spread, and ratios of what was measured in the same run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Series:
    """The same thing, measured again and again."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    def __str__(self) -> str:
        """The median, and between what the middle half lies."""
        low, _, high = quantiles(self.values, n=4) if len(self.values) > 1 else [self.median] * 3
        return f"{_digits(self.median)} ({_digits(low)} to {_digits(high)})"

    def ratio(self, other: "Series") -> "Series":
        """Round by round: both were measured in turns, so what slowed one slowed the other."""
        return Series(tuple(one / two for one, two in zip(self.values, other.values, strict=True)))


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as Markdown has it, in columns for who reads it plain; figures to the right."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def written(line: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "| " + " | ".join((first, *rest)) + " |"

    rule = (
        "|"
        + "|".join("-" * (width + 2) if not column else "-" * (width + 1) + ":" for column, width in enumerate(widths))
        + "|"
    )
    return "\n".join([written(lines[0]), rule, *map(written, lines[1:])])
