"""Rounding figures so that they still add up: the method of largest remainders. Pure.

Amounts are nanos; a *step* is the smallest amount that is printed (10,000,000 nanos where there are two decimals).
Balances are rounded to the nearest step, halves upwards: `floor(x + ½)`, below zero too. Rounding by one and the same
floor on both sides of a sum is what makes the rest possible: for any opening `o` and change `c`, `round(o + c) -
round(o)` is `c` rounded down or up to a step, never anything further away; and rows that are each rounded down or up
can make any such total.
"""

from __future__ import annotations

from collections.abc import Sequence


def round_to_step(nanos: int, step_nanos: int) -> int:
    """The nearest multiple of the step; halves go up."""
    return (nanos + step_nanos // 2) // step_nanos * step_nanos


def apportion(amounts: Sequence[int], total_nanos: int, step_nanos: int) -> list[int]:
    """Each amount rounded down or up to a multiple of the step, so that together they are exactly `total_nanos`.

    Whoever lost most by rounding down is rounded up first; among equals the earlier one. What is a multiple already
    stays as it is. Raises `ValueError` if the total cannot be had in this way: if it is not the sum itself, rounded
    down or up to a step.
    """
    floors = [amount // step_nanos * step_nanos for amount in amounts]
    missing, rest = divmod(total_nanos - sum(floors), step_nanos)
    losses = [amount - floor for amount, floor in zip(amounts, floors, strict=True)]
    candidates = sorted((index for index, loss in enumerate(losses) if loss), key=lambda index: -losses[index])
    if rest or not 0 <= missing <= len(candidates):
        raise ValueError(f"{total_nanos} is not what {sum(amounts)} can be rounded to")
    for index in candidates[:missing]:
        floors[index] += step_nanos
    return floors
