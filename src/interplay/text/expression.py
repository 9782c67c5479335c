"""A small typed language for rules over tables: what an information set's numbers become, written as formulas.

An expression is a tree of operations on numbers (one for the whole game), rows (one number per information set) and tables
(one number per information set and move), which broadcast as they do in numpy, and on truths, which only `where` takes. It
has a text form that people read, that differences are made of and that a language model can edit; `parse` and `write` are
inverse to each other. Nothing in it can loop, call out or fail. Regret matching's `normalise(R)` and CFR+'s `max(R + r, 0)`
are two known instances.

    where(R >= 0, fade(t, 1.5), 0.5) * R + r        DCFR's accumulated regret, counted from t
    rowmax(abs(r))                                   the largest regret of every information set
    ema(rowmax(abs(r)), 0.1)                         and its running mean

`ema(x, c)` remembers: m ← c x + (1 − c) m from m = x at t = 1 (`ema0`: from 0); `before(x)` is x of the last iteration, 0 at
first. Division by 0 gives 0; `a ^ b` is max(a, 0)^b with b between −8 and 8, and 0 to a negative power is 0.
"""

import functools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from interplay.core.errors import InputError
from interplay.core.names import nearest

NUMBER, ROW, TABLE = 0, 1, 2
RANKS = ("a number", "a row", "a table")
DEEPEST = 60  # brackets in brackets
LONGEST = 20_000  # letters of one expression


@dataclass(frozen=True, eq=False)
class Node:
    """One operation and what it works on; `value` is a constant's, `op` a leaf's name where there are no arguments."""

    op: str
    args: tuple["Node", ...] = ()
    value: float = 0.0

    @functools.cached_property
    def key(self) -> tuple:
        """What makes two expressions the same."""
        return (self.op, repr(self.value), *(part.key for part in self.args))

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self.key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self._hash == other._hash and self.key == other.key

    def __iter__(self) -> Iterator["Node"]:
        """The expression and all its parts, from the outside in."""
        yield self
        for part in self.args:
            yield from part


class Kind(NamedTuple):
    """What an expression gives: how many axes it has, and whether it is a truth."""

    rank: int
    truth: bool = False

    def __str__(self) -> str:
        return RANKS[self.rank] + (" of truths" if self.truth else "")


class Signature(NamedTuple):
    """How an operation is typed: `takes` lists what every argument may be (`any`, `truth`, `table`, `spread`: row or table,
    `constant`), and `gives` is the kind of the result ("same": the widest of the arguments)."""

    takes: tuple[str, ...]
    gives: str
    sign: str = ""
    binds: int = 9


CONSTANT = "constant"
SIGNATURES = {
    "ge": Signature(("any", "any"), "truth", ">=", 0),
    "gt": Signature(("any", "any"), "truth", ">", 0),
    "add": Signature(("any", "any"), "same", "+", 1),
    "sub": Signature(("any", "any"), "same", "-", 1),
    "mul": Signature(("any", "any"), "same", "*", 2),
    "div": Signature(("any", "any"), "same", "/", 2),
    "neg": Signature(("any",), "same", "-", 3),
    "pow": Signature(("any", "any"), "same", "^", 4),
    "max": Signature(("any", "any"), "same"),
    "min": Signature(("any", "any"), "same"),
    "abs": Signature(("any",), "same"),
    "relu": Signature(("any",), "same"),
    "fade": Signature(("any", "any"), "same"),
    "where": Signature(("truth", "any", "any"), "same"),
    "rowmax": Signature(("table",), "row"),
    "rowsum": Signature(("table",), "row"),
    "rowmean": Signature(("table",), "row"),
    "pool": Signature(("spread",), "number"),
    "normalise": Signature(("table",), "table"),
    "softmax": Signature(("table",), "table"),
    "ema": Signature(("any", "constant"), "same"),
    "ema0": Signature(("any", "constant"), "same"),
    "before": Signature(("any",), "same"),
}
REMEMBERING = ("ema", "ema0", "before")
CALLED = tuple(name for name, each in SIGNATURES.items() if not each.sign)
INFIX = {each.sign: name for name, each in SIGNATURES.items() if each.sign and len(each.takes) == 2}
Leaves = Mapping[str, int]  # name -> rank


def constant(value: float) -> Node:
    """A number as an expression."""
    return Node(CONSTANT, (), float(value))


def size(*roots: Node) -> int:
    """How many different parts the expressions have together: parts that stand twice count once."""
    return len({part for root in roots for part in root})


def kind(node: Node, leaves: Leaves) -> Kind:
    """What an expression gives. Raises `InputError` with the part that does not fit.

    >>> str(kind(parse("rowmax(abs(r)) >= 2"), {"r": TABLE}))
    'a row of truths'
    """
    return _kind(node, tuple(sorted(leaves.items())))


@functools.lru_cache(maxsize=1 << 16)
def _kind(node: Node, leaves: tuple[tuple[str, int], ...]) -> Kind:
    if node.op == CONSTANT:
        return Kind(NUMBER)
    if not node.args:
        known = dict(leaves)
        if node.op not in known:
            raise InputError(f"nothing is called '{node.op}' in a rule: {nearest(node.op, [*known, *CALLED])}")
        return Kind(known[node.op])
    signature = SIGNATURES[node.op]
    given = [_kind(part, leaves) for part in node.args]
    for part, one, wanted in zip(node.args, given, signature.takes, strict=True):
        if not _fits(part, one, wanted):
            raise InputError(f"{node.op} takes {_WORDS[wanted]}, and '{write(part)}' is {one}")
    rank = max(one.rank for one in given)
    made = {"row": ROW, "number": NUMBER, "table": TABLE}
    return Kind(made.get(signature.gives, rank), signature.gives == "truth")


_WORDS = {
    "any": "numbers",
    "truth": "a comparison first",
    "table": "a table",
    "spread": "a row or a table",
    "constant": "a constant between 0 and 1",
}


def _fits(part: Node, given: Kind, wanted: str) -> bool:
    if wanted == "truth" or given.truth:
        return wanted == "truth" and given.truth
    if wanted == "constant":
        return part.op == CONSTANT and 0 < part.value <= 1
    return given.rank >= {"table": TABLE, "spread": ROW}.get(wanted, NUMBER)


def write(node: Node, names: Mapping[Node, str] | None = None) -> str:
    """The text of an expression, with as few brackets as keep its form; parts in `names` are called so.

    >>> write(parse("max((R + r), 0) * 2"))
    'max(R + r, 0) * 2'
    """
    return _written(node, names or {})[0]


def _written(node: Node, names: Mapping[Node, str]) -> tuple[str, int]:
    """Text and how tightly its outermost sign binds."""
    if node in names:
        return names[node], 9
    if node.op == CONSTANT:
        return number(node.value), 9 if node.value >= 0 and not _negative_zero(node.value) else 3
    if not node.args:
        return node.op, 9
    signature = SIGNATURES[node.op]
    if not signature.sign:
        return f"{node.op}({', '.join(write(part, names) for part in node.args)})", 9
    binds, parts = signature.binds, [_written(part, names) for part in node.args]
    if node.op == "neg":
        text, inner = parts[0]
        plain = inner > binds and node.args[0].op != CONSTANT
        return f"-{text}" if plain else f"-({text})", binds
    right_first = node.op == "pow"
    left = parts[0][0] if parts[0][1] >= binds + right_first else f"({parts[0][0]})"
    right = parts[1][0] if parts[1][1] > binds - right_first else f"({parts[1][0]})"
    return f"{left} {signature.sign} {right}", binds


def number(value: float) -> str:
    """The shortest text that reads as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 and not _negative_zero(value) else repr(value)


def _negative_zero(value: float) -> bool:
    return value == 0 and math.copysign(1, value) < 0


_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|(>=|<=|[-+*/^(),<>]))")


def parse(text: str, known: Mapping[str, Node] | None = None) -> Node:
    """The expression that a text says; names in `known` stand for whole expressions.

    Raises `InputError` with the place where it cannot be read. Only the form is read here; `kind` says what fits.

    >>> parse("R + 2 * r") == parse("R + (2 * r)")
    True
    """
    if len(text) > LONGEST:
        raise InputError(f"an expression of {len(text):,} letters is too long: at most {LONGEST:,}")
    reader = _Reader(_tokens(text), known or {})
    node = reader.comparison(0)
    if reader.at < len(reader.tokens):
        raise InputError(f"cannot read '{text}': '{reader.tokens[reader.at]}' is one too many")
    return node


def _tokens(text: str) -> list[str]:
    tokens, at, text = [], 0, text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise InputError(f"cannot read '{text}': no rule holds '{text[at:].strip()[:1]}'")
        tokens.append(found.group(0).strip())
        at = found.end()
    return tokens


class _Reader:
    """Recursive descent, one method a level of binding."""

    def __init__(self, tokens: list[str], known: Mapping[str, Node]):
        self.tokens, self.known, self.at = tokens, known, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            end = f"there stands '{token}'" if token else "the text ends"
            missing = f"'{wanted}'" if wanted else "a value"
            raise InputError(f"cannot read the rule: {missing} is missing, {end}")
        self.at += 1
        return token

    def comparison(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise InputError(f"cannot read the rule: brackets are nested more than {DEEPEST} deep")
        left = self.sums(depth)
        if self.peek() not in (">=", ">", "<=", "<"):
            return left
        sign, right = self.take(), self.sums(depth)
        return Node("ge" if "=" in sign else "gt", (left, right) if sign[0] == ">" else (right, left))

    def sums(self, depth: int) -> Node:
        node = self.products(depth)
        while self.peek() in ("+", "-"):
            node = Node(INFIX[self.take()], (node, self.products(depth)))
        return node

    def products(self, depth: int) -> Node:
        node = self.signed(depth)
        while self.peek() in ("*", "/"):
            node = Node(INFIX[self.take()], (node, self.signed(depth)))
        return node

    def signed(self, depth: int) -> Node:
        if self.peek() != "-":
            return self.powers(depth)
        self.take()
        if depth > DEEPEST:
            raise InputError(f"cannot read the rule: signs are nested more than {DEEPEST} deep")
        literal = self.peek()[:1].isdigit() or self.peek()[:1] == "."
        inner = self.signed(depth + 1)
        return constant(-inner.value) if literal and inner.op == CONSTANT else Node("neg", (inner,))

    def powers(self, depth: int) -> Node:
        base = self.atom(depth)
        if self.peek() != "^":
            return base
        self.take()
        if depth > DEEPEST:
            raise InputError(f"cannot read the rule: powers are nested more than {DEEPEST} deep")
        return Node("pow", (base, self.signed(depth + 1)))

    def atom(self, depth: int) -> Node:
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            return self.literal(token)
        if token == "(":
            node = self.comparison(depth + 1)
            self.take(")")
            return node
        if not (token[0].isalpha() or token[0] == "_"):
            raise InputError(f"cannot read the rule: a value is missing before '{token}'")
        if self.peek() != "(":
            return self.known[token] if token in self.known else Node(token)
        return self.call(token, depth)

    def literal(self, token: str) -> Node:
        value = float(token)
        if not math.isfinite(value):
            raise InputError(f"the number {token} is too large")
        return constant(value)

    def call(self, name: str, depth: int) -> Node:
        if name not in CALLED:
            raise InputError(f"no operation is called '{name}': {nearest(name, CALLED)}")
        self.take("(")
        args = [self.comparison(depth + 1)]
        while self.peek() == ",":
            self.take()
            args.append(self.comparison(depth + 1))
        self.take(")")
        wanted = len(SIGNATURES[name].takes)
        if len(args) != wanted:
            raise InputError(f"{name} takes {wanted} values, and {len(args)} are given")
        return Node(name, tuple(args))
