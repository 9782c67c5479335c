"""Which answers may be handed to a verifier that computes with them.

Some of reasoning-gym's verifiers read an answer as Python: `eval` for lists, sympy for formulas. What a model says is nobody's
program, so only what is plainly a list, a sum or a formula gets there: no calls but of a few functions, no attributes, no
loops, no towers of powers, and no integral left undone, which would be the question itself. Everything else is a wrong
answer. Two known instances are a matrix and a Countdown expression.
"""

import re
from collections.abc import Callable

LONGEST = 4000  # characters
TALLEST = 2  # powers and functions inside one another

# without calls, attributes, products and loops there is nothing in a list that computes
_LIST = re.compile(r"[\w\s,\[\]'\"-]*", re.ASCII)
_LOOP = re.compile(r"\b(for|lambda|import|yield|await)\b|__")
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?(?![\w.])"
_SUM = re.compile(rf"(?:{_NUMBER}|(?<!\*)\*(?!\*)|(?<!/)/(?!/)|[-+()\s])*", re.ASCII)
_POWER = r"\*\*\s*(?:-?\d{1,2}|\(\s*-?\d{1,2}(?:\s*/\s*\d{1,2})?\s*\))(?![\w.])"
_TOKEN = re.compile(
    rf"(?P<power>{_POWER})|(?P<function>(?:sin|cos|tan|exp|log|sqrt|asin|acos|atan|Abs)\s*\()"
    rf"|(?P<atom>{_NUMBER}|(?:pi|[A-Za-z])(?!\w))|(?P<open>\()|(?P<close>\))|(?P<sign>[-+*/](?!\*))|(?P<space>\s+)",
    re.ASCII,
)


def listed(words: str) -> bool:
    """Whether some words are at most a list of plain things.

    >>> listed("[[1, 0], [0, 1]]"), listed("_ Q _"), listed("exit()"), listed("[0 for a in b]")
    (True, True, False, False)
    """
    return len(words) <= LONGEST and bool(_LIST.fullmatch(words)) and not _LOOP.search(words)


def summed(words: str) -> bool:
    """Whether some words are at most numbers that are added, subtracted, multiplied and divided.

    >>> summed("82 + 20*(67 - 50)"), summed("9**9"), summed("exit()")
    (True, False, False)
    """
    return len(words) <= LONGEST and bool(_SUM.fullmatch(words))


def formula(words: str) -> bool:
    """Whether some words are at most a formula of numbers, single letters and well-known functions, with small powers.

    >>> formula("3*x**2 + sin(x)/2"), formula("9**9**9"), formula("((9**99)**99)**99"), formula("x.__class__")
    (True, False, False, False)
    """
    return len(words) <= LONGEST and _height(words) <= TALLEST


def _height(words: str) -> float:
    """How many powers and functions stand inside one another; infinite for what is no formula."""
    place, last, inside, opened = 0, "", [0], [0]  # `inside`: the height so far in each bracket; `opened`: what it adds
    closed = 0  # the height of what stands just before, to be raised to a power
    while place < len(words):
        found = _TOKEN.match(words, place)
        if found is None:
            return float("inf")
        place, kind = found.end(), str(found.lastgroup)
        if kind == "space":
            continue
        if kind == "power":
            if last not in ("atom", "close"):
                return float("inf")  # a power of a power, or of nothing
            closed += 1
        elif kind == "atom":
            closed = 0
        elif kind in ("open", "function"):
            inside.append(0)
            opened.append(kind == "function")
        elif kind == "close":
            if len(inside) == 1:
                return float("inf")
            closed = inside.pop() + opened.pop()
        inside[-1] = max(inside[-1], closed if kind in ("power", "close") else 0)
        last = kind
    return inside[0] if len(inside) == 1 else float("inf")


EVALUATED: dict[str, Callable[[str], bool]] = {
    "string_insertion": listed,
    "spiral_matrix": listed,
    "binary_matrix": listed,
    "n_queens": listed,
    "countdown": summed,
    "puzzle24": summed,
    "polynomial_multiplication": formula,
    "simple_integration": formula,
    "intermediate_integration": formula,
}
