"""Rules of regret minimization as text: three expressions that one can read, change, evaluate at once and solve games with.

`accumulate` says what accumulated regret R becomes when the regret r of iteration t comes in, `strategy` the scores whose
positive part is played next (there R is already the new one), `weigh` how much the strategy just played counts in the average.
All rules of `update.matching` have a text here, CFR+ and VAD-CFR among them.

    accumulate = max(R + r, 0)
    strategy = R
    weigh = t

Lines may name parts before they are used (`v = min(1, ema(rowmax(abs(r)), 0.1) / 2)`), and `#` starts a comment. Leaves: R, r,
t, and `sigma`, the strategy that was just played.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from interplay.core.errors import InputError
from interplay.text import tape as tapes
from interplay.text.expression import NUMBER, ROW, TABLE, Leaves, Node, kind, parse, size, write
from interplay.update.matching import Memory, Rule

SLOTS = ("accumulate", "strategy", "weigh")
LEAVES: Leaves = {"R": TABLE, "r": TABLE, "t": NUMBER, "sigma": TABLE}
WIDEST = {"accumulate": TABLE, "strategy": TABLE, "weigh": ROW}
Formulas = tuple[Node, ...]  # one of each slot
Table = Float[np.ndarray, "row action"]
Weight = Float[np.ndarray, "row 1"] | float


def read(text: str, slots: tuple[str, ...] = SLOTS, leaves: Leaves = LEAVES) -> Formulas:
    """The formulas in a text. Raises `InputError` for what is missing, is there twice, cannot be read or does not fit.

    >>> size(*read(SEEDS["cfr-plus"]))
    6
    """
    known: dict[str, Node] = {}
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        name, equals, formula = (part.strip() for part in line.partition("="))
        if not equals or not name.isidentifier():
            raise InputError(f"cannot read the line '{line[:80]}': write NAME = FORMULA")
        if name in known or name in leaves:
            raise InputError(f"'{name}' is given twice: take another name")
        known[name] = parse(formula, {each: node for each, node in known.items() if each not in slots})
    missing = [slot for slot in slots if slot not in known]
    if missing:
        raise InputError(f"the rule has no line '{missing[0]} = …': it needs {', '.join(slots)}")
    found = tuple(known[slot] for slot in slots)
    check(found, slots, leaves)
    return found


def load(path: Path) -> str:
    """The text of a file. Raises `InputError` where it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as wrong:
        why = getattr(wrong, "strerror", None) or "it is no text"
        raise InputError(
            f"cannot read {path} ({why}): give a file with a rule, as `interplay discover` writes"
        ) from None


def check(formulas: Formulas, slots: tuple[str, ...] = SLOTS, leaves: Leaves = LEAVES) -> None:
    """Raise `InputError` where a slot's formula does not give what the slot takes."""
    for slot, node in zip(slots, formulas, strict=True):
        given = kind(node, leaves)
        most = WIDEST[slot.rpartition("_")[2]]
        if given.truth or given.rank > most:
            wanted = "one number a row" if most == ROW else "numbers"
            raise InputError(f"{slot} takes {wanted}, and '{write(node)[:60]}' is {given}")


def parts(formulas: Formulas, slots: tuple[str, ...] = SLOTS) -> dict[str, str]:
    """Every slot's formula as text, spelled out."""
    return {slot: write(node) for slot, node in zip(slots, formulas, strict=True)}


def listing(formulas: Formulas, slots: tuple[str, ...] = SLOTS) -> str:
    """The text of a rule with names for what stands in it several times; `read` gives the same formulas back."""
    everything = {part for root in formulas for part in root}
    uses = Counter(formulas) + Counter(part for node in everything for part in node.args)
    often = sorted(
        (node for node, count in uses.items() if count > 1 and size(node) > 2), key=lambda n: (size(n), n.key)
    )
    named: dict[Node, str] = {}
    lines = []
    for node in often:
        lines.append(f"part{len(named) + 1} = {write(node, named)}")
        named[node] = f"part{len(named) + 1}"
    lines += (f"{slot} = {write(node, named)}" for slot, node in zip(slots, formulas, strict=True))
    return "\n".join(lines) + "\n"


def fitted(formulas: Formulas) -> tapes.Tape:
    """The tape of a rule: R in `strategy` and `weigh` is what `accumulate` gives."""
    return tapes.tape(formulas, LEAVES, {"R": 0})


class Kept(NamedTuple):
    """What a rule in a compiled program keeps beside regrets: the legal moves, the next scores, the weight, the tape's own."""

    legal: Bool[Array, "row action"]
    scores: Float[Array, "row action"]
    weight: Float[Array, "row 1"]
    memories: tuple[Array, ...]


def rule(formulas: Formulas) -> Rule:
    """A rule for `methods.tables.solver`, compiled with it.

    >>> solver = tables.solver(rule(read(SEEDS["cfr-plus"])))  # doctest: +SKIP
    """
    program = fitted(formulas)

    def more(first):
        legal = first > 0
        memories = tuple(one.astype(first.dtype) for one in tapes.blank(program, legal))
        return Kept(legal, jnp.zeros_like(first), jnp.zeros_like(first[:, :1]), memories)

    def accumulate(memory, regret, t):
        legal, scores, weight, memories = memory.more
        run = tapes.interpreter(program, jnp, legal)
        sigma = tapes.normalised(jnp, scores, legal) if "sigma" in program.leaves else 0.0
        leaves = {"R": memory.total, "r": regret, "t": t, "sigma": sigma}
        (total, scores, weighed), after = run(leaves, memories, t == 1)
        like = lambda new, old: jnp.broadcast_to(new, old.shape).astype(old.dtype)
        kept = Kept(legal, like(scores, regret), like(weighed, weight), jax.tree.map(like, after, memories))
        return Memory(like(total, regret), regret, kept)

    return Rule(accumulate, lambda memory, t: memory.more.scores, lambda memory, t: memory.more.weight, more)


Advance = Callable[[Table, int], tuple[Table, Weight]]


def stepper(formulas: Formulas) -> Callable[[Bool[np.ndarray, "row action"]], Advance]:
    """The same rule without a compiler: `stepper(formulas)(legal)(regret, t)` → scores and weight, once an iteration."""
    program = fitted(formulas)

    def begin(legal: Bool[np.ndarray, "row action"]) -> Advance:
        run = tapes.interpreter(program, np, legal)
        total, scores, memories = np.zeros(legal.shape), np.zeros(legal.shape), tapes.blank(program, legal)
        played = "sigma" in program.leaves

        def advance(regret: Table, t: int) -> tuple[Table, Weight]:
            nonlocal total, scores, memories
            sigma = tapes.normalised(np, scores, legal) if played else 0.0
            leaves = {"R": total, "r": regret, "t": float(t), "sigma": sigma}
            (total, scores, weight), memories = run(leaves, memories, t == 1)
            return scores, weight

        return advance

    return begin


def _decayed(exponent: float, count: str = "t - 1", total: str = "R") -> str:
    return f"{total} * fade({count}, {exponent:g})"


_VAD = """
v = min(1, ema(rowmax(abs(r)), 0.1) / 2)
up = max(0.1, 1.5 - 0.5 * v)
down = min(up, -0.1 - 0.5 * v)
boosted = where(r > 0, 1.1 * r, r)
trust = max(0, 1 - 0.5 * v) / (1 + (t - 1) / 100)
m = rowmax(abs(r))
accumulate = max(-20, where(R >= 0, fade(t, up), fade(t, down)) * R + boosted)
strategy = relu(where(R >= 0, fade(t, up), fade(t, down)) * R + trust * boosted) ^ 1.5
weigh = where(t > 500, t ^ min(4, 2 + 1.5 * min(1, m / 2)) * max(0.1, (1 + m / 2) ^ 0.5) / (1 + m ^ 1.5), 0)
"""

_AOD = """
along = min(1, (t - 1) / 500)
up = where(r > 0, 1.1, 0.9)
down = where(r > 0, 0.7, 1.2)
scale = where(1e-9 > abs(r), 1, where(1e-9 > abs(R), 1, where(R > 0, up, down)))
accumulate = R * where(R >= 0, fade(t, 1 + 1.5 * along), fade(t, 0.5 - 0.5 * along)) + scale * r
strategy = relu(R + 0.5 * (R - before(ema0(R, 0.1)))) ^ 2
weigh = t ^ (1 + 4 * along)
"""

_WOP = """
accumulate = max(-20, where(R >= 0, fade(t, 1.5), fade(t, -0.1)) * R + r)
strategy = relu(where(R >= 0, fade(t, 1.5), fade(t, -0.1)) * R + 1 / (1 + (t - 1) / 100) * r) ^ 1.5
weigh = where(t > 500, t ^ 2, 0)
"""

SEEDS: Mapping[str, str] = {  # the same names as in `update.matching.RULES`
    "cfr": "accumulate = R + r\nstrategy = R\nweigh = 1\n",
    "cfr-plus": "accumulate = max(R + r, 0)\nstrategy = R\nweigh = t\n",
    "lcfr": f"accumulate = {_decayed(1)} + r\nstrategy = R\nweigh = t\n",
    "dcfr": "accumulate = R * where(R >= 0, fade(t - 1, 1.5), 0.5) + r\nstrategy = R\nweigh = t ^ 2\n",
    "pcfr-plus": "accumulate = max(R + r, 0)\nstrategy = R + r\nweigh = t ^ 2\n",
    "dpcfr-plus": (f"accumulate = max({_decayed(2.3)} + r, 0)\nstrategy = {_decayed(2.3, 't')} + r\nweigh = t ^ 5\n"),
    "aod-cfr": _AOD,
    "vad-cfr": _VAD,
    "wop-cfr": _WOP,
}
