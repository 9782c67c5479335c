"""Programs of small functions that give numbers: what they are shown, how they are read, and what is used in them.

An interface names functions, and for each of their parameters the features that it has. A program is Python that defines these
functions; it may do more than return a formula. FunSearch's priority functions and eviction rules are known instances.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language models" (2024).
"""

import ast
import inspect
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from interplay.core.errors import InputError

LARGEST = 4000  # letters of a program
OPERATORS: Mapping[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
Features = Mapping[str, str]  # name -> meaning


def log(x):
    """log(1 + |x|) with the sign of x."""
    return math.copysign(math.log1p(abs(x)), x)


def root(x):
    """The square root of |x| with the sign of x."""
    return math.copysign(math.sqrt(abs(x)), x)


def over(x, y):
    """x / y, and x where y is 0."""
    return x / y if y else x


HELPERS = (log, root, over)


def helpers_source() -> str:
    """The helpers as programs find them."""
    return "\n".join(["import math", *map(inspect.getsource, HELPERS)])


class Interface(NamedTuple):
    """Functions by name, with the features of their parameters by name."""

    functions: Mapping[str, Mapping[str, Features]]

    def leaves(self, function: str) -> list[str]:
        """`parameter.feature` for all that a function is shown."""
        return [f"{name}.{each}" for name, features in self.functions[function].items() for each in features]

    def about(self) -> str:
        """The interface in words."""
        lines = []
        for function, parameters in self.functions.items():
            lines.append(f"{function}({', '.join(parameters)}) returns a number. It is shown")
            lines += [
                f"- {name}.{each}: {words}" for name, features in parameters.items() for each, words in features.items()
            ]
        words = [
            f"{each.__name__}{inspect.signature(each)}: {(inspect.getdoc(each) or '').rstrip('.')}" for each in HELPERS
        ]
        return "\n".join([*lines, f"It may call min, max, abs, and {'; '.join(words)}"])

    def read(self, text: str) -> str:
        """A program in the one form in which it is kept, without comments; raises `InputError` for what is none.

        >>> Interface({"rank": {"job": {"size": "of it"}}}).read("def rank(job): return  job.size # all")
        'def rank(job):\\n    return job.size'
        """
        if len(text) > LARGEST:
            raise InputError(f"a program of {len(text):,} letters: write at most {LARGEST:,}")
        tree = self.parsed(text)
        return "\n\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in tree.body)

    def parsed(self, text: str) -> ast.Module:
        """The program's tree. Raises `InputError` where it is no Python, or lacks a function of the interface."""
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as wrong:
            raise InputError(f"this is no Python: {getattr(wrong, 'msg', wrong)}") from None
        found = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
        for name, parameters in self.functions.items():
            if name not in found:
                raise InputError(f"the program lacks {name}({', '.join(parameters)}): define it")
            given = [each.arg for each in found[name].args.args]
            if len(given) != len(parameters):
                raise InputError(f"{name} takes ({', '.join(given)}): let it take ({', '.join(parameters)})")
        return tree


def functions(tree: ast.Module, interface: Interface) -> dict[str, ast.FunctionDef]:
    """The functions of the interface in a program."""
    found = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    return {name: found[name] for name in interface.functions}


class Slot(NamedTuple):
    """A numeric expression in a function: where it hangs, and whether the function's value rises (1) or falls (−1) with it, as
    far as signs tell."""

    parent: ast.AST
    field: str
    index: int | None
    sign: int

    @property
    def node(self) -> ast.expr:
        held = getattr(self.parent, self.field)
        return held if self.index is None else held[self.index]

    def put(self, node: ast.expr) -> None:
        """Hang another expression there."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def slots(function: ast.FunctionDef) -> list[Slot]:
    """All numeric expressions of a function, outer ones first."""
    return [slot for statement in function.body for slot in _in(statement, 1)]


def _in(node: ast.AST, sign: int) -> Iterator[Slot]:
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.expr_context | ast.operator | ast.unaryop):
                continue
            turned = sign * _turn(node, field, index)
            if _numeric(child) and not (isinstance(node, ast.Call) and field == "func"):
                yield Slot(node, field, index, turned)
            if not isinstance(child, ast.Attribute):
                yield from _in(child, turned)


def _turn(node: ast.AST, field: str, index: int | None) -> int:
    """−1 where a part counts negatively in the whole."""
    match node:
        case ast.BinOp(op=ast.Sub() | ast.Div()) if field == "right":
            return -1
        case ast.BinOp(op=ast.Mult()) if field in ("left", "right"):
            return -1 if _negative(node.right if field == "left" else node.left) else 1
        case ast.UnaryOp(op=ast.USub()):
            return -1
        case ast.Call(func=ast.Name(id="over")) if field == "args" and index == 1:
            return -1
    return 1


def _negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)


def _numeric(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=bool() | str() | None):
            return False
        case ast.Constant() | ast.BinOp() | ast.IfExp() | ast.Call():
            return True
        case ast.Attribute(value=ast.Name()):
            return isinstance(node.ctx, ast.Load)
        case ast.UnaryOp(op=ast.USub()):
            return True
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def operation(node: ast.expr) -> str:
    """The name of what an expression does: + - * over log root abs max min if, or nothing."""
    match node:
        case ast.BinOp(op=ast.Div()):
            return "over"
        case ast.BinOp():
            return OPERATORS.get(type(node.op), "")
        case ast.IfExp():
            return "if"
        case ast.Call(func=ast.Name(id=name)):
            return name
    return ""


def leaf(node: ast.expr) -> str:
    """`parameter.feature` where an expression is one, else nothing."""
    return (
        f"{node.value.id}.{node.attr}" if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""
    )


def traits(text: str, interface: Interface) -> tuple[str, ...]:
    """What a program's functions use: features with the sign that they have in the value, operations, and branches.

    >>> shown = Interface({"rank": {"job": {"size": "of it", "due": "when"}}})
    >>> traits("def rank(job): return log(job.due) - job.size", shown)
    ('rank: +job.due', 'rank: -', 'rank: -job.size', 'rank: log')
    """
    found = set()
    for name, function in functions(interface.parsed(text), interface).items():
        known = set(interface.leaves(name))
        for slot in slots(function):
            if leaf(slot.node) in known:
                found.add(f"{name}: {'+' if slot.sign > 0 else '-'}{leaf(slot.node)}")
            elif operation(slot.node):
                found.add(f"{name}: {operation(slot.node)}")
        if any(isinstance(each, ast.If) for each in ast.walk(function)):
            found.add(f"{name}: if")
    return tuple(sorted(found))
