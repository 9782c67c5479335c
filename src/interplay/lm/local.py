"""Any Hugging Face causal language model on this machine: one frozen base, one low-rank adapter for every population member.

Sampling keeps keys and values, reads once what all prompts begin with and a prompt that several attempts share, and lets
members take their rows in one pass. Judging reads once what rows begin with, too: they are one tree, with a mask along its
branches; and it looks at the agent's own tokens only, among legal answers only at those. Two known instances are the packaged
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
from interplay.lm.update import Merged, Padded, alike

ROOM = 8192  # padded tokens whose keys and values are kept at once
KNOWN = 256  # prompts whose scores are kept, each as many numbers as there are words
WORTH = 64  # tokens not read again that one pass more is worth
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
        self._told: dict[tuple[int, int, bytes], Tensor] = {}
        self.everywhere = looks_everywhere(base.config)
        self._arranged, self.cost = (merged, Merged) if self.everywhere else (apart, Padded)

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
            asked = [requests[row] for row in live]
            logits, reading = self._recalled(asked), None
            while True:
                if logits is None:
                    reading = Reading(self, members, asked)
                    logits = reading.logits
                    self._remember(asked, logits)
                drawn = rows.draw(live, logits)
                going = np.flatnonzero(rows.speaking[live])
                if not going.size:
                    return rows.completions(self.codec)
                reading = reading or Reading(self, members, asked)
                if len(going) < SPARSE * len(live):
                    reading.keep(going)
                    live, drawn = live[going], drawn[torch.from_numpy(going)]
                reading.go_on(drawn)
                logits = reading.logits

    def _recalled(self, requests: Sequence[Request]) -> Tensor | None:
        """The scores of what all of these may say first, where their members have read all of that since they last changed."""
        told = [self._told.get(self._prompt(request)) for request in requests]
        return None if any(one is None for one in told) else torch.stack(told)  # type: ignore[arg-type]

    def _remember(self, requests: Sequence[Request], logits: Tensor) -> None:
        """Keep the scores for prompts that are answered by a choice: with few rounds behind, a game asks the same again."""
        self._told = {key: row for key, row in self._told.items() if key[1] == self.vector(key[0])._version}
        for request, row in zip(requests, logits, strict=True):
            key = self._prompt(request)
            if request.answers is not None and key not in self._told and len(self._told) < KNOWN:
                self._told[key] = row.clone()

    def _prompt(self, request: Request) -> tuple[int, int, bytes]:
        """Who reads what; a member that changes is another."""
        return request.member, self.vector(request.member)._version, request.tokens.tobytes()


class Reading:
    """What a batch has read and said so far, as keys and values; `logits` are the scores of each row's next token."""

    def __init__(self, local: Local, members: Sequence[int], requests: Sequence[Request]):
        from transformers import DynamicCache

        self.local, self.members = local, members
        prompts = [(request.member, request.tokens.tobytes()) for request in requests]
        first = {prompt: row for row, prompt in reversed(list(enumerate(prompts)))}
        once = sorted(first.values())
        self.cache, self.seen = DynamicCache(config=local.base.config), np.zeros((len(requests), 0), np.int64)
        self._begin([requests[row].tokens for row in once], np.array([requests[row].member for row in once]))
        number = {prompts[row]: place for place, row in enumerate(once)}
        self.rows = np.array([number[prompt] for prompt in prompts])
        self.logits = self.logits[torch.from_numpy(self.rows)]

    def keep(self, rows: np.ndarray) -> None:
        """Only these go on."""
        self.rows, self.logits = self.rows[rows], self.logits[torch.from_numpy(rows)]

    def go_on(self, drawn: Tensor) -> None:
        """Read one token more of each row."""
        self._choose()
        self.seen = np.concatenate([self.seen, np.ones((len(self.seen), 1), np.int64)], 1)
        self.logits = self._read(drawn[:, None])

    def _begin(self, prompts: list[Ids], seats: np.ndarray) -> None:
        """Read prompts: what all begin with once for every member, then the rest of each."""
        shared = min(alike(prompts[0], prompt[:-1]) for prompt in prompts) if self.local.everywhere else 0
        if shared * (len(prompts) - len(self.members)) < WORTH:
            shared = 0
        else:
            self._go_on_with([prompts[0][:shared]] * len(self.members), np.array(self.members))
            self.rows = np.searchsorted(self.seats, seats)
            self._choose()
        self._go_on_with([prompt[shared:] for prompt in prompts], seats)

    def _go_on_with(self, texts: list[Ids], seats: np.ndarray) -> None:
        """Read some more of each row, whose reader is the member in its seat."""
        tokens, seen = _left(texts)
        self.seats, self.seen = seats, np.concatenate([self.seen[: len(seen)], seen], 1)
        self.local.adapters.rows(self.members, seats)
        self.logits = self._read(torch.from_numpy(tokens))

    def _choose(self) -> None:
        """Keys and values of those that go on, as often as they do."""
        if not np.array_equal(self.rows, np.arange(len(self.seen))):
            self.cache.batch_select_indices(torch.from_numpy(self.rows).to(self.local.base.device))
            self.seen, self.seats = self.seen[self.rows], self.seats[self.rows]
        self.rows = np.arange(len(self.seen))
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


def merged(batch: Batch, dtype: torch.dtype) -> Laid:
    """All rows as one tree: what several begin with is looked at once.

    A token looks at those before it in rows of its own, and its position is that there; so every token is predicted from
    what it was in its row.
    """
    width = batch.tokens.shape[1]
    row, column = batch.place // width, batch.place % width
    end = np.zeros(len(batch.tokens), np.int64)
    np.maximum.at(end, row, column + 1)
    whole = {int(number): batch.tokens[number, : end[number]] for number in np.flatnonzero(end)}
    node, last, fresh, total = np.zeros_like(batch.tokens), (0, np.zeros(0, np.int64)), dict[int, int](), 0
    for number, tokens in sorted(whole.items(), key=lambda item: item[1].tobytes()):
        fresh[number] = shared = alike(last[1], tokens)
        node[number, :shared] = node[last[0], :shared]
        node[number, shared : len(tokens)] = np.arange(total, total + len(tokens) - shared)
        total, last = total + len(tokens) - shared, (number, tokens)
    words, position, looks = np.zeros(total, np.int64), np.zeros(total, np.int64), np.zeros((total, total), bool)
    for number, tokens in whole.items():
        path, time = node[number, : len(tokens)], np.arange(len(tokens))
        words[path], position[path] = tokens, time
        looks[np.ix_(path[fresh[number] :], path)] = time[fresh[number] :, None] >= time
    hidden = torch.zeros(looks.shape, dtype=dtype).masked_fill(~torch.from_numpy(looks), torch.finfo(dtype).min)
    reads = {
        "input_ids": torch.from_numpy(words)[None],
        "position_ids": torch.from_numpy(position)[None],
        "attention_mask": hidden[None, None],
    }
    return Laid(reads, node[row, column])


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
