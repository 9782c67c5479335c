"""Changes of programs that give numbers, drawn at random and repeatable from a seed: a proposer that needs no model.

Changes are those of genetic programming on Python's own tree, in the language of an interface (`text.programs`): constants
moved, features exchanged, terms added, parts wrapped in helpers and conditions, cut away, or taken over from another program. A
lean says which features and operations to bring in more often and which to take out; without one all are as likely.

Source: Koza, "Genetic Programming" (1992), chapter 6.
"""

import ast
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from interplay.text.programs import Interface, Slot, functions, leaf, slots

Generator = np.random.Generator
Lean = Mapping[str, float]  # trait (see `programs.traits`) -> logarithm of how much likelier than without
Some = TypeVar("Some")
TRIES = 60
FRESH = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0)  # constants to begin with
SINGLE, DOUBLE = ("log", "root", "abs"), ("max", "min", "over")
SIGNS: Mapping[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}


class Language(NamedTuple):
    """The interface of programs, and the most letters of one."""

    interface: Interface
    largest: int = 600


class Change(NamedTuple):
    """A child, and what was done to get it."""

    text: str
    how: str


class Place(NamedTuple):
    """Where a change is made: a function by name, its features, a numeric part of it; the same function of a mate; the lean."""

    function: str
    features: Sequence[str]
    slot: Slot
    mate: ast.FunctionDef
    lean: Lean

    def pull(self, what: str, sign: int | None = None) -> float:
        """How much likelier something is to be brought in here than without the lean; features count with their sign."""
        word = what if sign is None else f"{'+' if sign > 0 else '-'}{what}"
        return float(np.exp(self.lean.get(f"{self.function}: {word}", 0.0)))


Edit = Callable[[Place, Generator], ast.expr]


def change(
    language: Language,
    parent: str,
    mate: str,
    rng: Generator,
    refuse: Callable[[str], bool] = lambda child: False,
    lean: Lean | None = None,
) -> Change | None:
    """A child of a program that is another one, not too large and not refused; None where none was found.

    One change mostly, sometimes two or three. `mate` is the program that parts are taken over from.

    >>> shown = Interface({"rank": {"job": {"size": "of it", "due": "when"}}})
    >>> text = "def rank(job):\\n    return job.size"
    >>> change(Language(shown), text, text, np.random.default_rng(0)).text != text
    True
    """
    interface = language.interface
    for _ in range(TRIES):
        tree, done = interface.parsed(parent), []
        for _ in range(int(rng.geometric(0.65))):
            done.append(_changed(interface, tree, interface.parsed(mate), rng, lean or {}))
        child = interface.read(ast.unparse(ast.fix_missing_locations(tree)))
        if child != parent and len(child) <= language.largest and not refuse(child):
            return Change(child, ", ".join(done))
    return None


def _changed(interface: Interface, tree: ast.Module, mate: ast.Module, rng: Generator, lean: Lean) -> str:
    """Make one change in a tree, and name it."""
    own, others = functions(tree, interface), functions(mate, interface)
    name = _drawn(rng, list(own))
    some = slots(own[name])
    how = _drawn(rng, list(EDITS), [share for _, share in EDITS.values()])
    if how == "function of another":
        own[name].body = copy.deepcopy(_renamed(own[name], others[name]).body)
        return f"{name}: {how}"
    if not some:
        return f"{name}: nothing to change"
    place = Place(name, interface.leaves(name), some[0], others[name], lean)
    out = [1 / place.pull(leaf(each.node), each.sign) if leaf(each.node) else 1.0 for each in some]
    place = place._replace(slot=_drawn(rng, some, out))
    place.slot.put(EDITS[how][0](place, rng))
    return f"{name}: {how}"


def _renamed(own: ast.FunctionDef, other: ast.FunctionDef) -> ast.FunctionDef:
    """Another program's function with the parameters called as they are called here."""
    names = {theirs.arg: mine.arg for mine, theirs in zip(own.args.args, other.args.args, strict=True)}
    other = copy.deepcopy(other)
    for node in ast.walk(other):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    return other


def _drawn(rng: Generator, choices: Sequence[Some], weights: Sequence[float] | None = None) -> Some:
    """One of the choices; as much chance is drawn with weights as without."""
    weight = np.ones(len(choices)) if weights is None else np.asarray(weights, float)
    edges = np.cumsum(weight)
    return choices[min(int(np.searchsorted(edges, rng.random() * edges[-1], "right")), len(choices) - 1)]


def _feature(place: Place, rng: Generator, sign: int) -> ast.expr:
    name = _drawn(rng, place.features, [place.pull(each, sign) for each in place.features])
    parameter, _, feature = name.partition(".")
    return ast.Attribute(ast.Name(parameter, ast.Load()), feature, ast.Load())


def _constant(rng: Generator) -> ast.expr:
    return ast.Constant(_drawn(rng, FRESH))


def _small(place: Place, rng: Generator, sign: int, depth: int = 2) -> ast.expr:
    """A small new expression, mostly of a feature or two."""
    drawn = rng.random()
    if depth == 0 or drawn < 0.45:
        return _feature(place, rng, sign)
    if drawn < 0.6:
        return ast.BinOp(_constant(rng), ast.Mult(), _small(place, rng, sign, depth - 1))
    if drawn < 0.8:
        name = _drawn(rng, SINGLE, [place.pull(each) for each in SINGLE])
        return _call(name, _small(place, rng, sign, depth - 1))
    name = _drawn(rng, ("over", "*"), [place.pull("over"), place.pull("*")])
    left, right = _small(place, rng, sign, depth - 1), _feature(place, rng, -sign if name == "over" else sign)
    return _call(name, left, right) if name == "over" else ast.BinOp(left, ast.Mult(), right)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _moved(place: Place, rng: Generator) -> ast.expr:
    """A constant moved by about a half, or put in front."""
    node = place.slot.node
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        value = float(node.value) or float(_drawn(rng, FRESH))
        return ast.Constant(float(f"{value * np.exp(rng.normal(0, 0.6)):.3g}"))
    return ast.BinOp(_constant(rng), ast.Mult(), node)


def _exchanged(place: Place, rng: Generator) -> ast.expr:
    """Another feature; a constant stays one, other parts grow anew."""
    node, sign = place.slot.node, place.slot.sign
    if isinstance(node, ast.Constant):
        return _moved(place, rng)
    return _feature(place, rng, sign) if leaf(node) else _small(place, rng, sign)


def _term(place: Place, rng: Generator) -> ast.expr:
    """Something added, taken away or multiplied."""
    name = _drawn(rng, ("+", "-", "*"), (2.0, 2.0, place.pull("*")))
    side = -place.slot.sign if name == "-" else place.slot.sign
    return ast.BinOp(place.slot.node, SIGNS[name](), _small(place, rng, side))


def _wrapped(place: Place, rng: Generator) -> ast.expr:
    """A helper around the part."""
    names = SINGLE + DOUBLE
    name = _drawn(rng, names, [place.pull(each) for each in names])
    if name in SINGLE:
        return _call(name, place.slot.node)
    side = -place.slot.sign if name == "over" else place.slot.sign
    return _call(name, place.slot.node, _small(place, rng, side))


def _conditional(place: Place, rng: Generator) -> ast.expr:
    """The part where a condition holds, and another where it does not."""
    against = _constant(rng) if rng.random() < 0.6 else _feature(place, rng, 1)
    comparison = ast.Gt() if rng.random() < 0.5 else ast.LtE()
    condition = ast.Compare(_feature(place, rng, 1), [comparison], [against])
    other = ast.BinOp(place.slot.node, ast.Add(), _small(place, rng, place.slot.sign))
    return ast.IfExp(
        condition, copy.deepcopy(place.slot.node), other if rng.random() < 0.5 else _small(place, rng, place.slot.sign)
    )


def _cut(place: Place, rng: Generator) -> ast.expr:
    """One of the part's own parts in its place."""
    inner = [part for part in ast.iter_child_nodes(place.slot.node) if isinstance(part, ast.expr)]
    inner = [part for part in inner if not isinstance(part, ast.Compare | ast.Name)]
    return _drawn(rng, inner) if inner else _feature(place, rng, place.slot.sign)


def _grown(place: Place, rng: Generator) -> ast.expr:
    return _small(place, rng, place.slot.sign, 3)


def _crossed(place: Place, rng: Generator) -> ast.expr:
    """A part of the mate's same function."""
    function = ast.parse(ast.unparse(ast.fix_missing_locations(place.mate))).body[0]
    parts = [slot for slot in slots(function) if not isinstance(slot.node, ast.Name)]  # type: ignore[arg-type]
    known = set(place.features)
    parts = [slot for slot in parts if not leaf(slot.node) or leaf(slot.node) in known]
    if not parts:
        return _grown(place, rng)
    pull = [place.pull(leaf(slot.node), slot.sign) if leaf(slot.node) else 1.0 for slot in parts]
    return _drawn(rng, parts, pull).node


def _whole(place: Place, rng: Generator) -> ast.expr:
    return place.slot.node  # the mate's function is taken before a place is drawn


EDITS: Mapping[str, tuple[Edit, float]] = {
    "constant": (_moved, 3),
    "feature": (_exchanged, 3),
    "term": (_term, 4),
    "helper": (_wrapped, 2),
    "condition": (_conditional, 1),
    "cut": (_cut, 2.5),
    "grown anew": (_grown, 1),
    "crossover": (_crossed, 2),
    "function of another": (_whole, 1),
}
TAKES = ("crossover", "function of another")  # changes that have two parents
