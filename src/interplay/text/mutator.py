"""A proposer that needs no model: typed changes of formulas, drawn at random and repeatable from a seed.

Every change keeps what an operation takes and what a slot gives, so that all children can be evaluated. The changes are those
of genetic programming: a constant jittered, a part grown anew, wrapped, hoisted or cut away, a condition put in, memory added,
parts or whole slots crossed with another rule.

Source: Koza, "Genetic Programming" (1992), chapter 6; Montana, "Strongly typed genetic programming" (1995).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.text.expression import CONSTANT, SIGNATURES, TABLE, Leaves, Node, constant, size
from interplay.text.rules import Formulas, check

Generator = np.random.Generator
FRESH = (0.0, 0.1, 0.5, 1.0, 1.5, 2.0, 3.0)  # constants to begin with
TRIES = 60
ELEMENTWISE = ("add", "sub", "mul", "div", "max", "min", "pow", "fade")
SINGLE = ("abs", "relu", "neg")
DEEP = 3  # levels of a part that is grown anew


class Language(NamedTuple):
    """What rules are made of: slots in their order, leaves with their ranks, and the most nodes of a rule."""

    slots: tuple[str, ...]
    leaves: Leaves
    largest: int


class Change(NamedTuple):
    """A child, and what was done to get it."""

    formulas: Formulas
    how: str


Edit = Callable[[Language, Formulas, Formulas, Generator], tuple[Formulas, str]]


def change(
    language: Language, parent: Formulas, mate: Formulas, rng: Generator, refuse: Callable[[Formulas], bool]
) -> Change | None:
    """A well-typed child of `parent` that is another rule, not too large and not refused; None where none was found.

    One change mostly, sometimes two or three. `mate` is the rule that crossovers take from.
    """
    for _ in range(TRIES):
        child, done = parent, []
        for _ in range(1 + int(rng.geometric(0.65) - 1)):
            edit = EDITS[int(rng.choice(len(EDITS), p=_SHARES))]
            child, how = edit(language, child, mate, rng)
            done.append(how)
        child = tuple(map(folded, child))
        if child == parent or size(*child) > language.largest or refuse(child):
            continue
        try:
            check(child, language.slots, language.leaves)
        except InputError:
            continue
        return Change(child, ", ".join(done))
    return None


def grow(language: Language, rng: Generator, depth: int = DEEP) -> Node:
    """A random expression that is no truth."""
    names = list(language.leaves)
    if depth <= 0 or rng.random() < 0.3:
        return _fresh(rng) if rng.random() < 0.4 else Node(names[int(rng.integers(len(names)))])
    drawn, part = rng.random(), lambda: grow(language, rng, depth - 1)
    if drawn < 0.5:
        return Node(_one(rng, ELEMENTWISE), (part(), part()))
    if drawn < 0.65:
        return Node(_one(rng, SINGLE), (part(),))
    if drawn < 0.75:
        return Node("where", (_condition(language, rng), part(), part()))
    if drawn < 0.9:
        spread = Node(_one(rng, ("rowmax", "rowsum", "rowmean", "normalise")), (part(),))
        return spread if rng.random() < 0.8 else Node("pool", (spread,))
    return _remembering(rng, part())


def folded(node: Node) -> Node:
    """The same with trivial parts done away with: x + 0, x · 1, |(|x|)|, where both branches are alike.

    >>> from interplay.text.expression import parse, write
    >>> write(folded(parse("abs(abs(R * 1 + 0))")))
    'abs(R)'
    """
    args = tuple(map(folded, node.args))
    node = node if args == node.args else Node(node.op, args, node.value)
    zero, one = constant(0), constant(1)
    match node.op, args:
        case "add", (x, y) if zero in (x, y):
            return y if x == zero else x
        case "sub", (x, y) if y == zero:
            return x
        case "mul", (x, y) if one in (x, y):
            return y if x == one else x
        case (("div" | "pow"), (x, y)) if y == one and node.op == "div":
            return x
        case (("max" | "min"), (x, y)) if x == y:
            return x
        case (("abs" | "relu"), (x,)) if x.op == node.op:
            return x
        case "neg", (x,) if x.op == "neg":
            return x.args[0]
        case "where", (_, x, y) if x == y:
            return x
    return node


def _one(rng: Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _fresh(rng: Generator) -> Node:
    return constant(FRESH[int(rng.integers(len(FRESH)))])


def _condition(language: Language, rng: Generator) -> Node:
    """A comparison of a leaf with a number, such as R >= 0 or t > 100."""
    name = _one(rng, list(language.leaves))
    bound = constant(float(np.round(10 ** rng.uniform(0, 2.5)))) if language.leaves[name] == 0 else constant(0)
    return Node(_one(rng, ("ge", "gt")), (Node(name), bound))


def _remembering(rng: Generator, inner: Node) -> Node:
    share = constant(float(np.round(rng.uniform(0.02, 0.9), 2)))
    return Node("before", (inner,)) if rng.random() < 0.3 else Node(_one(rng, ("ema", "ema0")), (inner, share))


Path = tuple[int, ...]


def _paths(node: Node, path: Path = ()) -> list[tuple[Path, Node]]:
    return [(path, node), *(pair for at, part in enumerate(node.args) for pair in _paths(part, (*path, at)))]


def _put(node: Node, path: Path, new: Node) -> Node:
    if not path:
        return new
    args = list(node.args)
    args[path[0]] = _put(args[path[0]], path[1:], new)
    return Node(node.op, tuple(args), node.value)


def _somewhere(
    language: Language, formulas: Formulas, rng: Generator, wanted: Callable[[Node], bool] = lambda node: True
) -> tuple[int, Path, Node] | None:
    """A slot, a place in its formula and what stands there, among those `wanted`; slots alike."""
    for slot in rng.permutation(len(formulas)):
        places = [(path, node) for path, node in _paths(formulas[slot]) if wanted(node) and not _truth(node)]
        if places:
            path, node = places[int(rng.integers(len(places)))]
            return int(slot), path, node
    return None


def _truth(node: Node) -> bool:
    return node.op in SIGNATURES and SIGNATURES[node.op].gives == "truth"


def _replaced(
    language: Language,
    formulas: Formulas,
    rng: Generator,
    make: Callable[[Node], Node],
    wanted: Callable[[Node], bool] = lambda node: True,
) -> Formulas:
    found = _somewhere(language, formulas, rng, wanted)
    if found is None:
        return formulas
    slot, path, node = found
    return (*formulas[:slot], _put(formulas[slot], path, make(node)), *formulas[slot + 1 :])


def _jitter(language, formulas, mate, rng):
    def make(node):
        moved = node.value * float(np.exp(rng.normal(0, 0.3))) if node.value else float(rng.choice([0.1, 0.5, 1.0]))
        return constant(float(f"{moved:.3g}"))

    return _replaced(language, formulas, rng, make, lambda node: node.op == CONSTANT), "constant"


def _regrow(language, formulas, mate, rng):
    return _replaced(language, formulas, rng, lambda node: grow(language, rng, DEEP - 1)), "grown part"


def _wrap(language, formulas, mate, rng):
    def make(node):
        if rng.random() < 0.25:
            return Node(_one(rng, SINGLE), (node,))
        pair = [node, grow(language, rng, 1)]
        return Node(_one(rng, ELEMENTWISE), tuple(pair if rng.random() < 0.7 else pair[::-1]))

    return _replaced(language, formulas, rng, make), "wrap"


def _faded(language, formulas, mate, rng):
    make = lambda node: Node("mul", (node, Node("fade", (Node("t"), constant(float(np.round(rng.uniform(0, 4), 1)))))))
    return _replaced(language, formulas, rng, make), "fading"


def _powered(language, formulas, mate, rng):
    make = lambda node: Node("pow", (node, constant(float(np.round(rng.uniform(0.5, 4), 1)))))
    return _replaced(language, formulas, rng, make), "power"


def _split(language, formulas, mate, rng):
    def make(node):
        pair = (node, grow(language, rng, 1))
        return Node("where", (_condition(language, rng), *(pair if rng.random() < 0.5 else pair[::-1])))

    return _replaced(language, formulas, rng, make), "condition"


def _scaled_by_sign(language, formulas, mate, rng):
    def make(node):
        sign = Node("ge", (Node(_one(rng, [n for n, rank in language.leaves.items() if rank == TABLE])), constant(0)))
        factor = Node("where", (sign, constant(1), constant(float(np.round(rng.uniform(0.1, 1.5), 2)))))
        return Node("mul", (node, factor))

    return _replaced(language, formulas, rng, make), "sign split"


def _remember(language, formulas, mate, rng):
    return _replaced(language, formulas, rng, lambda node: _remembering(rng, node)), "memory"


def _cut(language, formulas, mate, rng):
    """Put one of its own parts in an operation's place."""
    inner = lambda node: node.args[int(rng.integers(len(node.args)))]
    return _replaced(language, formulas, rng, inner, lambda node: bool(node.args)), "cut"


def _hoist(language, formulas, mate, rng):
    def make(node):
        parts = [part for part in node if part is not node and not _truth(part)]
        return parts[int(rng.integers(len(parts)))] if parts else node

    return _replaced(language, formulas, rng, make, lambda node: size(node) > 3), "hoist"


def _operation(language, formulas, mate, rng):
    make = lambda node: Node(_one(rng, ELEMENTWISE), node.args)
    return _replaced(language, formulas, rng, make, lambda node: node.op in ELEMENTWISE), "operation"


def _leaf(language, formulas, mate, rng):
    make = lambda node: Node(_one(rng, list(language.leaves)))
    return _replaced(language, formulas, rng, make, lambda node: not node.args), "leaf"


def _cross(language, formulas, mate, rng):
    """Put a part of the mate's same slot somewhere, else of any slot."""
    found = _somewhere(language, formulas, rng)
    if found is None:
        return formulas, "crossover"
    slot, path, _ = found
    source = mate[slot] if rng.random() < 0.7 else mate[int(rng.integers(len(mate)))]
    parts = [part for part in source if not _truth(part)]
    new = _put(formulas[slot], path, parts[int(rng.integers(len(parts)))])
    return (*formulas[:slot], new, *formulas[slot + 1 :]), "crossover"


def _swap(language, formulas, mate, rng):
    slot = int(rng.integers(len(formulas)))
    return (*formulas[:slot], mate[slot], *formulas[slot + 1 :]), f"{language.slots[slot]} of another"


_WEIGHED: tuple[tuple[Edit, float], ...] = (
    (_jitter, 5), (_regrow, 1.5), (_wrap, 2.5), (_faded, 1.5), (_powered, 1.5), (_split, 1), (_scaled_by_sign, 1),
    (_remember, 1), (_cut, 1.5), (_hoist, 0.7), (_operation, 1), (_leaf, 1), (_cross, 3), (_swap, 2),
)  # fmt: skip
EDITS = tuple(edit for edit, _ in _WEIGHED)
_SHARES = np.array([share for _, share in _WEIGHED]) / sum(share for _, share in _WEIGHED)
