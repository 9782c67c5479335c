"""A small decoder made from nothing: the language model of our studies and tests, 0.1 to 5 million parameters.

Pre-norm transformer with learned positions and tied embeddings, one set of weights per member. Sampling keeps keys and values
and works on whole batches of ragged requests; judging works on padded batches and looks at the agent's own tokens only.

Source: Vaswani et al., "Attention is all you need" (2017); RMS norm: Zhang and Sennrich (2019); squared ReLU, a third of the
time of GELU: So et al., "Primer" (2021).
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interplay.core.errors import InputError
from interplay.lm.constrain import ending
from interplay.lm.constrain import mask as masked
from interplay.lm.model import Batch, Codec, Completion, Ids, Request, Stop, Weights

GAIN = 8.0  # logits are GAIN / √width · ⟨hidden, embedding⟩
SPARSE = 0.5  # rows still speaking, below which the others are dropped from the batch
FORBIDDEN = -1e9


def calm() -> None:
    """One thread for torch, unless OMP_NUM_THREADS asks for more: where cores are shared a second one costs time."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


@dataclass(frozen=True)
class Size:
    """How large a decoder is; `context` is the most it can read and say together."""

    width: int = 64
    depth: int = 2
    heads: int = 4
    context: int = 128

    def __post_init__(self):
        if self.width % self.heads:
            raise InputError(f"width {self.width} cannot be shared among {self.heads} heads: give a multiple")


class Cache:
    """Keys and values of what was read so far, and which of it is padding on the left."""

    def __init__(self, size: Size, rows: int, room: int, padding: Tensor | None):
        shape = (rows, size.heads, room, size.width // size.heads)
        self.pairs = [(torch.empty(shape), torch.empty(shape)) for _ in range(size.depth)]
        self.padding, self.filled, self.room = padding, 0, room

    def keep(self, rows: Tensor) -> None:
        """Only these rows go on."""
        self.pairs = [(key[rows], value[rows]) for key, value in self.pairs]
        self.padding = None if self.padding is None else self.padding[rows]

    def mask(self, new: int) -> Tensor | None:
        """Who may look where, for `new` positions more; None where causality says it all."""
        if self.padding is None:
            return None
        total = self.filled + new
        at, upon = torch.arange(self.filled, total)[:, None], torch.arange(total)
        # padding looks at itself, because a row that may look nowhere is no number
        return ((upon <= at) & (upon >= self.padding[:, None, None])) | (upon == at)


class Block(nn.Module):
    """Attention and a feed-forward layer of squared ReLUs, each behind a norm and beside a residual."""

    def __init__(self, size: Size):
        super().__init__()
        width = size.width
        self.heads = size.heads
        self.before, self.between = nn.RMSNorm(width), nn.RMSNorm(width)
        self.look, self.gather = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor, cache: Cache | None = None, layer: int = 0, mask: Tensor | None = None) -> Tensor:
        rows, time, width = x.shape
        query, key, value = self.look(self.before(x)).view(rows, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if cache is not None:
            span = slice(cache.filled, cache.filled + time)
            keys, values = cache.pairs[layer]
            keys[:, :, span], values[:, :, span] = key, value
            key, value = keys[:, :, : span.stop], values[:, :, : span.stop]
        seen = looked_back(query, key, value, mask) if time == 1 else _looked(query, key, value, mask)
        x = x + self.gather(seen.transpose(1, 2).reshape(rows, time, width))
        return x + self.down(F.relu(self.up(self.between(x))).square())


def looked_back(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of a single position, by plain products: on a processor cheaper than the fused kernel for this shape."""
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], FORBIDDEN)
    return torch.softmax(scores, -1) @ value


def _looked(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None])


class Decoder(nn.Module):
    """Token numbers in, hidden states out; `logits` turns them into scores of the next token."""

    def __init__(self, size: Size, tokens: int):
        super().__init__()
        self.size = size
        self.token, self.position = nn.Embedding(tokens, size.width), nn.Embedding(size.context, size.width)
        self.blocks, self.norm = nn.ModuleList(Block(size) for _ in range(size.depth)), nn.RMSNorm(size.width)

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        time, filled = tokens.shape[1], cache.filled if cache else 0
        place: Any = slice(filled, filled + time)
        mask = None
        if cache is not None and cache.padding is not None:
            mask = cache.mask(time)
            place = (torch.arange(filled, filled + time) - cache.padding[:, None]).clamp(min=0)
        x = self.token(tokens) + self.position.weight[place]
        for layer, block in enumerate(self.blocks):
            x = block(x, cache, layer, mask)
        if cache is not None:
            cache.filled += time
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token."""
        return hidden @ self.token.weight.T * (GAIN / math.sqrt(self.size.width))


class Flat:
    """The weights of a module as one vector, and their gradients as another; the module's own are views of these."""

    def __init__(self, module: nn.Module):
        self.shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
        self.vector = torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])
        self.slope = torch.zeros_like(self.vector)
        parts = zip(module.parameters(), self.split(self.vector).values(), self.split(self.slope).values(), strict=True)
        for parameter, value, gradient in parts:
            parameter.data, parameter.grad = value, gradient

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Views of a vector by name."""
        parts = vector.split([shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def named(self, vector: Tensor) -> Weights:
        """A vector as named arrays, copied."""
        return {name: part.numpy().copy() for name, part in self.split(vector).items()}

    def load(self, vector: Tensor, weights: Weights) -> None:
        """Fill a vector. Raises `InputError` where a name or a shape differs."""
        views = self.split(vector)
        for name in (*views, *weights):
            if name not in weights or name not in views or views[name].shape != weights[name].shape:
                raise InputError(f"the weights do not fit the model at '{name}': use the settings that made them")
            views[name].copy_(torch.from_numpy(np.asarray(weights[name])))


class Tiny:
    """A population of decoders of one size over one codec; see `interplay.lm.model.Trainable`.

    >>> tiny = Tiny(Words(["yes", "no"], ["solver"]), members=1)  # doctest: +SKIP
    """

    kind: type[Decoder] = Decoder

    def __init__(self, codec: Codec, members: int = 1, size: Size = Size()):
        calm()
        self.codec, self.size = codec, size
        with torch.random.fork_rng(devices=[]):  # torch fills modules with random numbers that nobody will see
            self.members = [self.kind(size, codec.size) for _ in range(members)]
        self.flat = [Flat(member) for member in self.members]

    def fresh(self, random: np.random.Generator) -> Weights:
        """Normal weights of deviation 0.02, smaller by √(2 · depth) where they add to the residual; norms are 1."""
        small = 0.02 / math.sqrt(2 * self.size.depth)
        weights = {}
        for name, shape in self.flat[0].shapes.items():
            scale = small if name.endswith(("gather.weight", "down.weight")) else 0.02
            drawn = random.normal(scale=scale, size=tuple(shape)) if len(shape) > 1 else np.ones(tuple(shape))
            weights[name] = drawn.astype(np.float32)
        return weights

    def load(self, member: int, weights: Weights) -> None:
        with torch.no_grad():
            self.flat[member].load(self.flat[member].vector, weights)

    def weights(self, member: int) -> Weights:
        return self.named(self.flat[member].vector)

    def named(self, vector: Tensor) -> Weights:
        return self.flat[0].named(vector)

    def vector(self, member: int) -> Tensor:
        return self.flat[member].vector

    def slope(self, member: int) -> Tensor:
        return self.flat[member].slope

    def score(self, member: int, batch: Batch) -> tuple[Tensor, Tensor]:
        model = self.members[member]
        hidden = model(torch.from_numpy(batch.tokens))
        own = hidden.reshape(-1, self.size.width)[torch.from_numpy(batch.place)]
        logits = model.logits(own) / torch.from_numpy(batch.temperature)[:, None]
        return judged(logits, torch.from_numpy(batch.label), batch.legal)

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        answers: list[Completion | None] = [None] * len(requests)
        for member in sorted({request.member for request in requests}):
            rows = [row for row, request in enumerate(requests) if request.member == member]
            said = self._speak(self.members[member], [requests[row] for row in rows])
            for row, completion in zip(rows, said, strict=True):
                answers[row] = completion
        return answers  # type: ignore[return-value]

    @torch.no_grad()
    def _speak(self, model: Decoder, requests: list[Request]) -> list[Completion]:
        """Draw token after token for a batch, until all have ended; rows that have are dropped now and then."""
        rows = Speaking(requests, self.codec.end, self.size.context)
        live = np.flatnonzero(rows.speaking)
        if not live.size:
            return rows.completions(self.codec)
        tokens, padding = _left([requests[row].tokens for row in live])
        cache = Cache(self.size, len(live), tokens.shape[1] + int(rows.room[live].max()), padding)
        while True:
            logits = model.logits(model(tokens, cache)[:, -1])
            drawn = rows.draw(live, logits)
            going = np.flatnonzero(rows.speaking[live])
            if not going.size:
                return rows.completions(self.codec)
            if len(going) < SPARSE * len(live):
                kept = torch.from_numpy(going)
                cache.keep(kept)
                live, drawn = live[going], drawn[kept]
            tokens = drawn[:, None]


class Speaking:
    """What a batch of requests has been answered so far."""

    def __init__(self, requests: list[Request], end: int, context: int):
        self.requests, self.end = requests, end
        self.limit = np.array([request.limit for request in requests])
        self.room = np.minimum(self.limit, [context - len(request.tokens) for request in requests])
        most = int(max(self.room.max(initial=0), 0))
        self.noise = np.zeros((len(requests), most))
        for row, request in enumerate(requests):
            self.noise[row, : max(self.room[row], 0)] = request.noise[: max(self.room[row], 0)]
        self.temperature = torch.tensor([request.temperature for request in requests])
        self.plain = bool((self.temperature == 1).all())
        self.tokens = np.zeros((len(requests), most), np.int64)
        self.log_probs = np.zeros((len(requests), most), np.float32)
        self.length, self.speaking = np.zeros(len(requests), np.int64), self.room > 0
        self.places = {r: one.answers.begin() for r, one in enumerate(requests) if one.answers is not None}
        self.legal: dict[int, list[Ids]] = {row: [] for row in self.places}
        self.step = 0
        self._finish(np.flatnonzero(self.speaking))

    def draw(self, live: np.ndarray, logits: Tensor) -> Tensor:
        """One token more for the rows `live`; what is drawn for those that have ended is not kept."""
        heat = self.temperature[torch.from_numpy(live)]
        if not self.plain:
            logits = logits / torch.where(heat > 0, heat, torch.ones_like(heat))[:, None]
        logits = self._held(live, logits)
        log_probs = torch.log_softmax(logits, -1)
        drawn = by_noise(log_probs, torch.from_numpy(self.noise[live, self.step]))
        if not self.plain:
            drawn = torch.where(heat > 0, drawn, logits.argmax(-1))
        chosen = log_probs.gather(1, drawn[:, None])[:, 0]
        self._keep(live, drawn.numpy(), chosen.numpy())
        self._finish(live)
        return drawn

    def _held(self, live: np.ndarray, logits: Tensor) -> Tensor:
        """Scores in which tokens that are not legal have none."""
        if not self.places:
            return logits
        legal: list[Ids | None] = [None] * len(live)
        for place, row in enumerate(live.tolist()):
            if row in self.places and self.speaking[row]:
                legal[place] = self.requests[row].answers.legal(self.places[row])  # type: ignore[union-attr]
                self.legal[row].append(legal[place])  # type: ignore[arg-type]
        rows = masked(legal, logits.shape[1])
        return logits if rows is None else logits.masked_fill(~torch.from_numpy(rows), FORBIDDEN)

    def _keep(self, live: np.ndarray, drawn: np.ndarray, chosen: np.ndarray) -> None:
        going = self.speaking[live]
        rows, tokens = live[going], drawn[going]
        self.tokens[rows, self.step], self.log_probs[rows, self.step] = tokens, chosen[going]
        for row, token in zip(rows.tolist(), tokens.tolist(), strict=True) if self.places else ():
            if row in self.places:
                self.places[row] = self.requests[row].answers.after(self.places[row], token)  # type: ignore[union-attr]
        self.step += 1
        self.length[rows] = self.step
        self.speaking[rows] = (tokens != self.end) & (self.step < self.room[rows])

    def _finish(self, live: np.ndarray) -> None:
        """Say the rest where no row has any choice left: what is certain has log-probability 0 and needs no model.

        While one row has a choice all go on together, so that every number is what it would have been.
        """
        going = live[self.speaking[live]].tolist() if self.places else []
        rest: dict[int, tuple[tuple[int, Ids], ...]] = {}
        for row in going:
            if row not in self.places:
                return
            found = ending(self.requests[row].answers, self.places[row], int(self.room[row] - self.length[row]))
            if found is None:
                return
            rest[row] = found
        for row, steps in rest.items():
            span = slice(int(self.length[row]), int(self.length[row]) + len(steps))
            self.tokens[row, span] = [token for token, _ in steps]
            self.legal[row] += [legal for _, legal in steps]
            self.length[row], self.speaking[row] = span.stop, False

    def completions(self, codec: Codec) -> list[Completion]:
        """Every request's answer."""
        return [self._completion(row, codec) for row in range(len(self.requests))]

    def _completion(self, row: int, codec: Codec) -> Completion:
        size = int(self.length[row])
        tokens = self.tokens[row, :size].copy()
        ended = size > 0 and tokens[-1] == self.end
        short = self.room[row] < self.limit[row]
        stop = Stop.END if ended else Stop.ROOM if short else Stop.LIMIT
        legal = tuple(self.legal[row]) if row in self.legal else None
        return Completion(codec.decode(tokens), tokens, self.log_probs[row, :size].copy(), stop, legal)


def by_noise(log_probs: Tensor, noise: Tensor) -> Tensor:
    """The token in whose share of [0, 1) the noise falls: the k-th where Σ_{j<k} p_j ≤ noise < Σ_{j≤k} p_j.

    >>> by_noise(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0.3])).tolist()
    [1]
    """
    shares = log_probs.exp().cumsum(-1)
    level = (noise.to(shares.dtype) * shares[:, -1])[:, None]
    drawn = (shares <= level).sum(-1)
    last = (log_probs > FORBIDDEN / 2).long().cumsum(-1).argmax(-1)  # rounding must not lead beyond what is possible
    return torch.minimum(drawn, last)


def judged(logits: Tensor, label: Tensor, legal: np.ndarray | None) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the labels and entropies, under the same mask as when they were drawn."""
    if legal is not None:
        logits = logits.masked_fill(~torch.from_numpy(legal), FORBIDDEN)
    log_probs = torch.log_softmax(logits, -1)
    entropy = -(log_probs.exp() * log_probs).sum(-1)
    return log_probs.gather(1, label[:, None])[:, 0], entropy


def _left(prompts: list[Ids]) -> tuple[Tensor, Tensor | None]:
    """Prompts side by side, ending together, and how much each is padded; None where none is."""
    most = max(map(len, prompts))
    rows = np.zeros((len(prompts), most), np.int64)
    for row, prompt in enumerate(prompts):
        rows[row, most - len(prompt) :] = prompt
    padding = torch.tensor([most - len(prompt) for prompt in prompts])
    return torch.from_numpy(rows), padding if bool(padding.any()) else None
