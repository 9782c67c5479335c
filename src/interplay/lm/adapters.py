"""Low-rank adapters of many members side by side on one frozen model: each row of a batch is spoken by a member of its own.

A linear layer W gets for member m a pair A_m [rank, in], B_m [out, rank] and computes  y = W x + s · B_m A_m x,  s = alpha /
rank. The pairs of all members present are put beside each other, one product serves all, and a mask keeps of every row
what is its member's: rows of the solver and of the checker go through the model in one pass. Pairs of layers that look alike
are stacks, so a checkpoint holds few arrays. They begin with B = 0, where every member is the base.

An own small layer and not peft's: there a batch of mixed adapters is run adapter by adapter and for inference only, and the
weights of a member lie in hundreds of parameters, while updates here are steps of one flat vector.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021).
"""

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interplay.core.errors import InputError
from interplay.lm.model import Weights
from interplay.lm.tiny import Flat

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


class Kind(NamedTuple):
    """Linear layers that look alike: their name without the number of their block, and their shape."""

    name: str
    inputs: int
    outputs: int


class Now:
    """What the layers are to do in the present pass: pairs of each kind, whose rank is whose row's, what is judged."""

    def __init__(self):
        self.pairs: dict[Kind, list[tuple[Tensor, Tensor]]] = {}
        self.others: Tensor | None = None
        self.place: Tensor | None = None
        self.columns: Tensor | None = None


class Adapted(nn.Module):
    """A frozen linear layer and the present members' pairs."""

    def __init__(self, linear: nn.Linear, now: Now, kind: Kind, number: int):
        super().__init__()
        self.linear, self.now, self.kind, self.number = linear, now, kind, number

    def forward(self, x: Tensor) -> Tensor:
        pairs = self.now.pairs.get(self.kind)
        if pairs is None:
            return self.linear(x)
        down, up = pairs[self.number]
        low = F.linear(x, down)
        if self.now.others is not None:
            low = low.masked_fill(self.now.others, 0)
        return self.linear(x) + F.linear(low, up)


class Head(nn.Module):
    """The last layer, for the positions and words asked for only: a vocabulary is the widest thing in a small model."""

    def __init__(self, linear: nn.Linear, now: Now):
        super().__init__()
        self.linear, self.now = linear, now

    @property
    def weight(self) -> Tensor:
        """The words' vectors."""
        return self.linear.weight

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden.reshape(-1, hidden.shape[-1])
        if self.now.place is not None:
            hidden = hidden[self.now.place]
        if self.now.columns is None:
            return self.linear(hidden)
        bias = None if self.linear.bias is None else self.linear.bias[self.now.columns]
        return F.linear(hidden, self.linear.weight[self.now.columns], bias)


class Pairs(nn.Module):
    """One member's pairs, stacked by kind."""

    def __init__(self, counts: dict[Kind, int], rank: int, mark: str):
        super().__init__()
        for kind, count in counts.items():
            down, up = named(kind, mark)
            self.register_parameter(down, nn.Parameter(torch.empty(count, rank, kind.inputs)))
            self.register_parameter(up, nn.Parameter(torch.empty(count, kind.outputs, rank)))


class Adapters:
    """The adapters of a population on one base, and the means to let some of them speak.

    `layers` end the names of the linear layers that are adapted. Raises `InputError` where there are none.
    """

    def __init__(self, base: Any, members: int, *, rank: int, alpha: float, layers: Sequence[str] = ATTENTION):
        if rank < 1:
            raise InputError(f"adapters of rank {rank} hold nothing: give rank 1 or more")
        self.now, self.scale, self.rank = Now(), alpha / rank, rank
        self.mark = f"base-{fingerprint(base)}"
        base.requires_grad_(False)
        self.counts = _put_in(base, layers, self.now)
        if not self.counts:
            raise InputError(
                f"the model has no linear layers called {', '.join(layers)}: name some of {_linears(base)}"
            )
        base.set_output_embeddings(Head(base.get_output_embeddings(), self.now))
        self.device, self.dtype = base.device, base.dtype
        with torch.random.fork_rng(devices=[]):
            self.members = [Pairs(self.counts, rank, self.mark) for _ in range(members)]
        self.flat = [Flat(member) for member in self.members]
        for flat in self.flat:
            flat.vector.zero_()

    def fresh(self, random: np.random.Generator) -> Weights:
        """A uniform in ±1/√in, B = 0: the base itself."""
        weights: Weights = {}
        for kind, count in self.counts.items():
            down, up = named(kind, self.mark)
            most = 1 / math.sqrt(kind.inputs)
            weights[down] = random.uniform(-most, most, (count, self.rank, kind.inputs)).astype(np.float32)
            weights[up] = np.zeros((count, kind.outputs, self.rank), np.float32)
        return weights

    def load(self, member: int, weights: Weights) -> None:
        """Make a member of these weights. Raises `InputError` for those of another base or of another rank."""
        other = next((name for name in weights if not name.startswith(self.mark)), None)
        if other is not None:
            theirs = "-".join(other.split("-")[:2])
            raise InputError(
                f"these adapters were learned on another model ({theirs}, this is {self.mark}): give the model they belong to"
            )
        with torch.no_grad():
            self.flat[member].load(self.flat[member].vector, weights)

    @contextlib.contextmanager
    def speaking(self, members: Sequence[int]) -> Iterator[None]:
        """Within, the adapters of these members are in place; `rows` says whose each row of a batch is."""
        self.now.pairs = {kind: self._beside(kind, members) for kind in self.counts}
        try:
            yield
        finally:
            self.now.pairs, self.now.others, self.now.place, self.now.columns = {}, None, None, None

    def rows(self, members: Sequence[int], seats: np.ndarray) -> None:
        """Row i is spoken by `seats[i]`, one of the members that are in place."""
        if len(members) == 1:
            return
        owner = np.repeat(np.array(members), self.rank)
        self.now.others = torch.from_numpy(owner[None, None] != seats[:, None, None]).to(self.device)

    def _beside(self, kind: Kind, members: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """(A, B) of every layer of a kind with all members' ranks side by side, in the precision of the base."""
        down, up = named(kind, self.mark)
        part = lambda name: [getattr(self.members[member], name).to(self.device, self.dtype) for member in members]
        joined = lambda parts, axis: parts[0] if len(parts) == 1 else torch.cat(parts, axis)
        first, second = joined(part(down), 1) * self.scale, joined(part(up), 2)
        return list(zip(first.unbind(0), second.unbind(0), strict=True))


def named(kind: Kind, mark: str) -> tuple[str, str]:
    """What the two stacks of a kind are called in a checkpoint."""
    name = f"{mark}-{kind.name}-{kind.inputs}x{kind.outputs}".replace(".", "-")
    return f"{name}-down", f"{name}-up"


def fingerprint(base: nn.Module) -> str:
    """Eight letters that tell one base from another: a digest of names, shapes and some numbers of every weight.

    It is the same in whatever precision the base is loaded, as long as the numbers are exact in the coarser one.
    """
    import hashlib

    digest = hashlib.sha256()
    for name, value in base.named_parameters():
        flat = value.detach().reshape(-1)
        some = flat[:: max(1, flat.numel() // 64)][:64].to("cpu", torch.bfloat16).view(torch.int16).numpy()
        digest.update(f"{name} {tuple(value.shape)}".encode() + some.tobytes())
    return digest.hexdigest()[:8]


def _put_in(base: nn.Module, layers: Sequence[str], now: Now) -> dict[Kind, int]:
    """Replace the linear layers that are meant; how many there are of each kind."""
    counts: dict[Kind, int] = {}
    for name, module in list(base.named_modules()):
        if not isinstance(module, nn.Linear) or not name.endswith(tuple(layers)):
            continue
        kind = Kind(re.sub(r"\.\d+(?=\.)", "", name), module.in_features, module.out_features)
        parent, _, leaf = name.rpartition(".")
        setattr(base.get_submodule(parent), leaf, Adapted(module, now, kind, counts.get(kind, 0)))
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _linears(base: nn.Module) -> str:
    names = {name.rsplit(".", 1)[-1] for name, module in base.named_modules() if isinstance(module, nn.Linear)}
    return ", ".join(sorted(names)) or "none, there is no linear layer in it"
