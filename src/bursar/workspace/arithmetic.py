"""Working out an expression that a model wrote: numbers, operators, a few functions; bounded in size and in time. Pure.

`simpleeval` walks the expression's tree and knows nothing but what it is given here: no names but constants, no
attributes, no strings. What is left to bound is how large numbers grow.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

LONGEST_EXPRESSION: Final = 500
LARGEST: Final = 10**60
_LARGEST_EXPONENT: Final = 200
_LARGEST_FACTORIAL: Final = 40


class NotComputable(ValueError):
    """Why an expression has no value here; the text may be shown to the model and to people."""


def compute(expression: str) -> str:
    """The value, as text: whole numbers exactly, others with up to 15 digits. Raises `NotComputable`."""
    import simpleeval

    if len(expression) > LONGEST_EXPRESSION:
        raise NotComputable(f"an expression may have {LONGEST_EXPRESSION} characters at most")
    evaluator = simpleeval.SimpleEval(operators=dict(_OPERATORS), functions=dict(_FUNCTIONS), names=dict(_NAMES))
    try:
        value = evaluator.eval(expression.strip().replace("^", "**"))
    except NotComputable:
        raise
    except ZeroDivisionError:
        raise NotComputable("division by zero") from None
    except RecursionError:
        raise NotComputable("the expression is nested too deeply") from None
    except (simpleeval.InvalidExpression, SyntaxError, TypeError, ValueError, ArithmeticError, KeyError):
        raise NotComputable("only numbers, + - * / // % **, and the functions that are named can be computed") from None
    return _text(value)


def _text(value: Any) -> str:
    value = _bounded(value)
    if isinstance(value, int) or value == int(value):
        return str(int(value))
    return f"{value:.15g}"


def _bounded(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotComputable("only numbers can be computed")
    if value != value or abs(value) > LARGEST:
        raise NotComputable("the result is too large")
    return value


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """What goes in and what comes out is a number of bearable size."""

    def run(*arguments: Any) -> int | float:
        return _bounded(function(*map(_bounded, arguments)))

    return run


def _power(base: float, exponent: float) -> Any:
    if abs(exponent) > _LARGEST_EXPONENT:
        raise NotComputable("the exponent is too large")
    return base**exponent


def _factorial(number: float) -> int:
    if number != int(number) or not 0 <= number <= _LARGEST_FACTORIAL:
        raise NotComputable(f"a factorial is computed of whole numbers up to {_LARGEST_FACTORIAL}")
    return math.factorial(int(number))


_OPERATORS: Final[Mapping[type[ast.AST], Callable[..., Any]]] = {
    ast.Add: _checked(operator.add),
    ast.Sub: _checked(operator.sub),
    ast.Mult: _checked(operator.mul),
    ast.Div: _checked(operator.truediv),
    ast.FloorDiv: _checked(operator.floordiv),
    ast.Mod: _checked(operator.mod),
    ast.Pow: _checked(_power),
    ast.USub: _checked(operator.neg),
    ast.UAdd: _checked(operator.pos),
}
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": _checked(abs),
    "ceil": _checked(math.ceil),
    "exp": _checked(math.exp),
    "factorial": _checked(_factorial),
    "floor": _checked(math.floor),
    "log": _checked(math.log),
    "log10": _checked(math.log10),
    "max": _checked(max),
    "mean": _checked(lambda *numbers: sum(numbers) / len(numbers)),
    "min": _checked(min),
    "round": _checked(lambda number, digits=0: round(number, int(digits))),
    "sqrt": _checked(math.sqrt),
    "sum": _checked(lambda *numbers: sum(numbers)),
}
_NAMES: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e}
