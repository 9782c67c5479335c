"""Any Hugging Face causal language model on this machine: one frozen base, one low-rank adapter for every population member.

Sampling keeps keys and values, reads a prompt that several attempts share once, and lets members take their rows in one pass.
Judging reads what rows share once too: attempts at one task are branches behind one trunk, with a mask along the tree; and it
looks at the agent's own tokens only, among legal answers only at those. Two known instances are the packaged
SmolLM2-135M-Instruct (`lm.smollm`) and a folder of one's own.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from interplay.core.errors import InputError
from interplay.lm.adapters import ATTENTION, Adapters
from interplay.lm.chat import Chat
from interplay.lm.model import Batch, Completion, Ids, Request, Weights
from interplay.lm.tiny import SPARSE, Speaking, calm, judged
from interplay.lm.update import padded, trunked

ROOM = 8192  # padded tokens whose keys and values are kept at once
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


class Local:
    """A population of adapters on one base; see `interplay.lm.model.Trainable`.

    >>> local = Local(*loaded(smollm.folder()), members=2)  # doctest: +SKIP
    """

    def __init__(
        self,
        base: Any,
        tokenizer: Any,
        members: int = 1,
        *,
        roles: Mapping[str, str] | None = None,
        rank: int = 8,
        alpha: float = 16.0,
        layers: Sequence[str] = ATTENTION,
    ):
        calm()
        self.base = base.eval()
        self.adapters = Adapters(base, members, rank=rank, alpha=alpha, layers=layers)
        self.codec = Chat(tokenizer, int(base.config.vocab_size), roles)
        self.context = int(getattr(base.config, "max_position_embeddings", 0) or 1 << 20)
        self.fresh, self.load = self.adapters.fresh, self.adapters.load
        self._arranged, self.cost = (branched, trunked) if looks_everywhere(base.config) else (apart, padded)

    def weights(self, member: int) -> Weights:
        return self.named(self.vector(member))

    def named(self, vector: Tensor) -> Weights:
        return self.adapters.flat[0].named(vector)

    def vector(self, member: int) -> Tensor:
        return self.adapters.flat[member].vector

    def slope(self, member: int) -> Tensor:
        return self.adapters.flat[member].slope

    def score(self, member: int, batch: Batch) -> tuple[Tensor, Tensor]:
        device, now = self.base.device, self.adapters.now
        laid = self._arranged(batch, self.base.dtype)
        columns = None if batch.legal is None or batch.legal.all(1).any() else np.flatnonzero(batch.legal.any(0))
        label, legal = batch.label, batch.legal
        if columns is not None and legal is not None:
            label, legal = np.searchsorted(columns, label), legal[:, columns]
        with self.adapters.speaking([member]):
            now.place = torch.from_numpy(laid.place).to(device)
            now.columns = None if columns is None else torch.from_numpy(columns).to(device)
            found = self.base(**{name: value.to(device) for name, value in laid.reads.items()}, use_cache=False)
        logits = found.logits.to("cpu", torch.float32) / torch.from_numpy(batch.temperature)[:, None]
        return judged(logits, torch.from_numpy(label), legal)

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        answers: list[Completion | None] = [None] * len(requests)
        for rows in _fitting(requests):
            for row, completion in zip(rows, self._speak([requests[row] for row in rows]), strict=True):
                answers[row] = completion
        return answers  # type: ignore[return-value]

    @torch.no_grad()
    def _speak(self, requests: list[Request]) -> list[Completion]:
        """Draw token after token for a batch, whoever speaks, until all have ended; rows that have are dropped now and then."""
        rows = Speaking(requests, self.codec.end, self.context)
        live = np.flatnonzero(rows.speaking)
        if not live.size:
            return rows.completions(self.codec)
        members = sorted({requests[row].member for row in live})
        with self.adapters.speaking(members):
            reading = Reading(self, members, [requests[row] for row in live])
            while True:
                drawn = rows.draw(live, reading.logits)
                going = np.flatnonzero(rows.speaking[live])
                if not going.size:
                    return rows.completions(self.codec)
                if len(going) < SPARSE * len(live):
                    reading.keep(going)
                    live, drawn = live[going], drawn[torch.from_numpy(going)]
                reading.go_on(drawn)


class Reading:
    """What a batch has read and said so far, as keys and values; `logits` are the scores of each row's next token."""

    def __init__(self, local: Local, members: Sequence[int], requests: Sequence[Request]):
        from transformers import DynamicCache

        self.local, self.members = local, members
        self.seats = np.array([request.member for request in requests])
        prompts = [(request.member, request.tokens.tobytes()) for request in requests]
        first = {prompt: row for row, prompt in reversed(list(enumerate(prompts)))}
        once = sorted(first.values())
        tokens, self.seen = _left([requests[row].tokens for row in once])
        self.cache = DynamicCache(config=local.base.config)
        local.adapters.rows(members, self.seats[once])
        self.logits = self._read(torch.from_numpy(tokens))
        number = {prompts[row]: place for place, row in enumerate(once)}
        self._choose(np.array([number[prompt] for prompt in prompts]))

    def keep(self, rows: np.ndarray) -> None:
        """Only these go on."""
        self.seats = self.seats[rows]
        self._choose(rows)

    def go_on(self, drawn: Tensor) -> None:
        """Read one token more of each row."""
        self.seen = np.concatenate([self.seen, np.ones((len(self.seen), 1), np.int64)], 1)
        self.logits = self._read(drawn[:, None])

    def _choose(self, rows: np.ndarray) -> None:
        chosen = torch.from_numpy(rows)
        if not np.array_equal(rows, np.arange(len(self.seen))):
            self.cache.batch_select_indices(chosen.to(self.local.base.device))
        self.seen, self.logits = self.seen[rows], self.logits[chosen]
        self.local.adapters.rows(self.members, self.seats)

    def _read(self, tokens: Tensor) -> Tensor:
        base, time = self.local.base, tokens.shape[1]
        seen = torch.from_numpy(self.seen)
        place = (seen.cumsum(1) - 1).clamp(min=0)[:, -time:]
        found = base(
            input_ids=tokens.to(base.device),
            attention_mask=seen.to(base.device),
            position_ids=place.to(base.device),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return found.logits.to("cpu", torch.float32)


class Laid(NamedTuple):
    """A batch as a base reads it, and where in it each own token is predicted from."""

    reads: dict[str, Tensor]
    place: np.ndarray


def apart(batch: Batch, dtype: torch.dtype) -> Laid:
    """Row by row, as it came: for models in which not every token looks at all before it."""
    return Laid({"input_ids": torch.from_numpy(batch.tokens)}, batch.place)


def branched(batch: Batch, dtype: torch.dtype) -> Laid:
    """Rows that begin alike, up to the first token that is judged, become one: a trunk and a branch for each.

    A token looks at those before it in the trunk and in its own branch, and its position is that of its own row; so every
    token is predicted from what it was in the row of its own, and the trunk is computed once.
    """
    width = batch.tokens.shape[1]
    row, column = batch.place // width, batch.place % width
    trunk, end = np.full(len(batch.tokens), width), np.zeros(len(batch.tokens), np.int64)
    np.minimum.at(trunk, row, column + 1)
    np.maximum.at(end, row, column + 1)
    groups: dict[bytes, list[int]] = {}
    for number in np.flatnonzero(end):
        groups.setdefault(batch.tokens[number, : trunk[number]].tobytes(), []).append(int(number))
    trees = [_tree(batch.tokens, rows, trunk, end) for rows in groups.values()]
    most = max(len(tree.tokens) for tree in trees)
    tokens, position = np.zeros((len(trees), most), np.int64), np.zeros((len(trees), most), np.int64)
    branch = np.full((len(trees), most), -1)
    offset, root = np.zeros(len(batch.tokens), np.int64), np.zeros(len(batch.tokens), np.int64)
    for number, tree in enumerate(trees):
        span = slice(0, len(tree.tokens))
        tokens[number, span], position[number, span], branch[number, span] = tree.tokens, tree.position, tree.branch
        for own, begin in tree.begin.items():
            offset[own], root[own] = number * most + begin, number * most
    place = np.where(column >= trunk[row], offset[row] + column - trunk[row], root[row] + column)
    mask = torch.from_numpy(_looked(branch))
    hidden = torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
    reads = {
        "input_ids": torch.from_numpy(tokens),
        "position_ids": torch.from_numpy(position),
        "attention_mask": hidden[:, None],
    }
    return Laid(reads, place)


class _Tree(NamedTuple):
    tokens: np.ndarray
    position: np.ndarray
    branch: np.ndarray
    """0 in the trunk, else the number of the branch"""
    begin: dict[int, int]
    """where each row's branch begins"""


def _tree(tokens: np.ndarray, rows: list[int], trunk: np.ndarray, end: np.ndarray) -> _Tree:
    size = int(trunk[rows[0]])
    spans = [np.arange(size)] + [np.arange(trunk[row], end[row]) for row in rows]
    words = [tokens[rows[0], :size]] + [tokens[row, trunk[row] : end[row]] for row in rows]
    begin = np.cumsum([len(span) for span in spans])
    branch = np.repeat(np.arange(len(spans)), [len(span) for span in spans])
    return _Tree(np.concatenate(words), np.concatenate(spans), branch, dict(zip(rows, begin.tolist(), strict=False)))


def _looked(branch: np.ndarray) -> np.ndarray:
    """Who looks at whom: back only, at the trunk and the own branch; padding (−1) at itself and the like."""
    back = np.tril(np.ones((branch.shape[1], branch.shape[1]), bool))
    upon = branch[:, None, :]
    return back & ((upon == 0) | (upon == branch[:, :, None]))


def _left(prompts: list[Ids]) -> tuple[np.ndarray, np.ndarray]:
    """Prompts side by side, ending together, and which of that is no padding."""
    most = max(map(len, prompts))
    tokens, seen = np.zeros((len(prompts), most), np.int64), np.zeros((len(prompts), most), np.int64)
    for row, prompt in enumerate(prompts):
        tokens[row, most - len(prompt) :], seen[row, most - len(prompt) :] = prompt, 1
    return tokens, seen


def _fitting(requests: Sequence[Request]) -> list[list[int]]:
    """Requests of similar length together, as many as memory has room for."""
    size = lambda row: len(requests[row].tokens) + requests[row].limit
    parts: list[list[int]] = []
    for row in sorted(range(len(requests)), key=size):
        if parts and (len(parts[-1]) + 1) * size(row) <= ROOM:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def looks_everywhere(config: Any) -> bool:
    """Whether every token of a model looks at all before it: no windows, no layers of another make."""
    kinds = getattr(config, "layer_types", None)
    if kinds:
        return set(kinds) == {"full_attention"}
    return not getattr(config, "sliding_window", None)


def quick() -> torch.dtype:
    """bfloat16 where the device multiplies in it (GPUs; processors with AMX or AVX-512 for it), else float32."""
    if torch.cuda.is_available():
        return torch.bfloat16
    able = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return torch.bfloat16 if any(getattr(torch.cpu, name, bool)() for name in able) else torch.float32


PRECISIONS = {"auto": quick, "float32": lambda: torch.float32, "bfloat16": lambda: torch.bfloat16}


def loaded(folder: Path | str, dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """The model and the tokenizer of a folder, from this disk alone, on the graphics card where there is one.

    Raises `InputError` for a folder that is not there or lacks something, and where transformers is missing.
    """
    folder = Path(folder)
    _complete(folder)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ModuleNotFoundError as missing:
        raise InputError(f"local models need the package {missing.name}: pip install 'interplay[lm]'") from None
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        base: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or quick(), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as wrong:
        line = " ".join(str(wrong).split())[:200]
        raise InputError(f"the model in {folder} cannot be loaded: {line}") from None
    return (base.cuda() if torch.cuda.is_available() else base), tokenizer


def _complete(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(
            f"there is no model folder {folder}: give local:FOLDER with config.json, weights and tokenizer"
        )
    if not (folder / "config.json").exists():
        raise InputError(f"{folder} is no model folder, it has no config.json: save a model there with save_pretrained")
    if not any((folder / name).exists() for name in TOKENIZERS):
        raise InputError(f"the model in {folder} has no tokenizer: save it there too (tokenizer.save_pretrained)")
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"the model in {folder} has no weights: save them there as safetensors (model.save_pretrained)"
        )
