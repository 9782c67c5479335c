"""Several processes, each with the whole model, that train one team: every one plays its share, all make the same step.

What an update needs of all is summed (gradients, the totals that losses are divided by, metrics) or laid end to end in the
order of the processes (turns, from which credit is made). Shares follow one another in that order, too, so that what comes out
is what one process would have had, up to the rounding of sums. Only numbers cross, as tensors and bytes of arrays; the weights
that learn lie in host memory, so gloo carries them. A single process is the same code with nobody to ask: `ALONE`.

Source: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training" (2020).
"""

import contextlib
import datetime
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from interplay.core.errors import InputError, LostError

STARTED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun tells a process
PATIENCE = 1800.0  # seconds that one process waits for the others
Rows = Shaped[np.ndarray, "row ..."]


class Together:
    """The processes that train one team: this is number `rank` of `size`. By itself it is a process alone."""

    rank: int = 0
    size: int = 1

    def total(self, tensor: Any) -> Any:
        """Σ over processes of a tensor; alone it is the tensor itself."""
        return tensor

    def gathered(self, rows: Rows) -> Rows:
        """The rows of all processes, in the order of processes; how many there are of each may differ."""
        return rows

    def agreed(self, arrays: Iterable[np.ndarray | np.generic]) -> None:
        """Raises `LostError` where these are not the same numbers in every process."""

    def share(self, count: int) -> Int[np.ndarray, "mine"]:
        """Which of `count` things are this process's: runs of equal length, up to one.

        >>> Together().share(3).tolist()
        [0, 1, 2]
        """
        return np.array_split(np.arange(count), self.size)[self.rank]

    def own(self, count: int) -> slice:
        """Where in what is `gathered` the `count` rows of this process are."""
        begin = int(self.gathered(np.array([count]))[: self.rank].sum())
        return slice(begin, begin + count)

    def added(self, *numbers: float) -> list[float]:
        """Each number's sum over processes."""
        return self.gathered(np.array([numbers], np.float64)).sum(0).tolist()

    def count(self, mine: int) -> int:
        """A whole number's sum over processes."""
        return int(self.gathered(np.array([mine])).sum())

    def largest(self, number: int) -> int:
        """A whole number's largest over processes."""
        return int(self.gathered(np.array([number])).max())

    def union(self, numbers: Iterable[int]) -> list[int]:
        """The whole numbers that any process has, in order."""
        return np.unique(self.gathered(np.array(sorted(numbers), np.int64))).tolist()

    def minibatches(self, count: int, parts: int, random: np.random.Generator) -> Iterator[list[int]]:
        """For every minibatch of all processes' rows, which of this process's `count` rows are in it; there may be none.

        The rows of all are put in random order and cut into `parts`, or as many as there are rows. `random` is in the same
        state everywhere, and all get the same number of minibatches.

        >>> [sorted(part) for part in Together().minibatches(2, 1, np.random.default_rng(0))]
        [[0, 1]]
        """
        whole, own = self.count(count), self.own(count)
        for part in np.array_split(random.permutation(whole), min(parts, whole)) if whole else ():
            yield (part[(part >= own.start) & (part < own.stop)] - own.start).tolist()


ALONE = Together()


class Processes(Together):
    """Number `rank` of `size` processes of torch's process group, which has to be there."""

    def __init__(self, rank: int, size: int):
        self.rank, self.size = rank, size

    def total(self, tensor: Any) -> Any:
        import torch.distributed as group

        whole = tensor.detach().clone()
        _asked(lambda: group.all_reduce(whole))
        return whole

    def gathered(self, rows: Rows) -> Rows:
        blocks = self._bytes(np.ascontiguousarray(rows).tobytes())
        return np.frombuffer(b"".join(blocks), rows.dtype).reshape(-1, *rows.shape[1:]).copy()

    def agreed(self, arrays: Iterable[np.ndarray | np.generic]) -> None:
        sum_ = 0
        for array in arrays:
            sum_ = zlib.crc32(np.ascontiguousarray(array).tobytes(), sum_)
        if len(self.union([sum_])) > 1:
            raise LostError("processes that train together hold different weights: resume from the newest checkpoint")

    def _bytes(self, mine: bytes) -> Sequence[bytes]:
        import torch
        import torch.distributed as group

        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        _asked(lambda: group.all_gather(sizes, torch.tensor([len(mine)])))
        most = max(1, *(int(size) for size in sizes))
        padded = torch.zeros(most, dtype=torch.uint8)
        padded[: len(mine)] = torch.frombuffer(bytearray(mine or b"\0"), dtype=torch.uint8)[: len(mine)]
        blocks = [torch.empty_like(padded) for _ in range(self.size)]
        _asked(lambda: group.all_gather(blocks, padded))
        return [block.numpy()[: int(size)].tobytes() for block, size in zip(blocks, sizes, strict=True)]


def here() -> Together:
    """Those whom `joined` has brought together, or whose process group a program of one's own has made; else `ALONE`."""
    import torch.distributed as group

    made = group.is_available() and group.is_initialized()
    return Processes(group.get_rank(), group.get_world_size()) if made and group.get_world_size() > 1 else ALONE


def rank() -> int:
    """Which of the processes that torchrun started this is; 0 where it started one or none."""
    return int(os.environ["RANK"]) if _size() > 1 else 0


@contextlib.contextmanager
def joined() -> Iterator[Together]:
    """With all processes that torchrun started, until the block ends; alone where it started none, without loading torch.

    Each works on the graphics card of its number on its machine, where there are any. Raises `InputError` where torch is
    missing, and `LostError` where the others do not come.
    """
    if _size() == 1:
        yield ALONE
        return
    try:
        import torch
        import torch.distributed as group
    except ModuleNotFoundError:
        raise InputError("several processes train together through torch: pip install 'interplay[lm]'") from None
    if group.is_initialized():
        yield here()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    _asked(lambda: group.init_process_group("gloo", timeout=datetime.timedelta(seconds=PATIENCE)))
    try:
        yield here()
    finally:
        group.destroy_process_group()


def _size() -> int:
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in STARTED) else 1


def _asked(others: Callable[[], Any]) -> None:
    try:
        others()
    except RuntimeError as wrong:
        why = re.sub(r"^\[[^]]*\] ", "", " ".join(str(wrong).split()))[:120]  # without the place in torch's own code
        raise LostError(
            f"another process of this run ended or fell silent, its own last line says why ({why})"
        ) from wrong
