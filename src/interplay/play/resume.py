"""Bringing Python games back to where a saved play says they are.

A Python game cannot be saved, but its episode can be told: the seed it began with and the actions since. Games that are
already there are left alone; others (a new process, an earlier checkpoint) begin the episode again and replay it.
"""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from interplay.play.bench import Bench, Rows, blank
from interplay.play.workers import Workers


class Books(NamedTuple):
    """What is written of every game of a batch while it is played; leading axis "batch".

    `origin` and `episode` determine the seed of the present episode, `log` holds its first `length` actions.
    """

    started: np.ndarray
    total: np.ndarray
    length: np.ndarray
    origin: np.ndarray
    episode: np.ndarray
    log: np.ndarray

    def seeds(self, rows: Iterable[Any]) -> list[Any]:
        """The seeds of the present episodes of `rows`."""
        return [word(int(self.origin[row]), int(self.episode[row])) for row in rows]

    def turn(self, rows: np.ndarray) -> None:
        """The next episode of `rows` begins."""
        self.episode[rows] += 1
        self.started[rows], self.total[rows], self.length[rows], self.log[rows] = True, 0, 0, 0

    def place(self) -> tuple[np.ndarray, ...]:
        """All that determines where deterministic games stand."""
        return self.origin.copy(), self.episode.copy(), self.length.copy(), self.log.copy()


def word(*numbers: int | np.integer) -> int:
    """A seed that follows from the given numbers: 31 bits, as some games want no more."""
    return int(np.random.SeedSequence([int(number) for number in numbers]).generate_state(1)[0] >> 1)


class Stage:
    """A bench of games and the knowledge of where they stand."""

    def __init__(self, make: Callable[[], Bench | Workers]):
        self._make, self.bench = make, make()
        self._place: tuple[np.ndarray, ...] | None = None

    def enter(self) -> tuple[np.ndarray, ...] | None:
        """Where the games stand; from here to `leave` nobody knows. Lost worker processes are started again."""
        place, self._place = self._place, None
        if isinstance(self.bench, Workers) and not self.bench.alive:
            self.bench, place = self._make(), None
        return place

    def leave(self, books: Books) -> None:
        """A play ended well, and the games stand where `books` says."""
        self._place = books.place()

    def resume(self, books: Books, seen: Rows) -> None:
        """Bring the games to where `books` says; what `seen` shows is changed only where that is impossible."""
        place, wanted = self.enter(), books.place()
        if place is not None and all(map(np.array_equal, place, wanted)):
            return
        batch = len(books.length)
        reached, strayed = blank(self.bench.spec, batch), books.length > books.log.shape[1]
        self.bench.reset(range(batch), books.seeds(range(batch)), reached)
        for t in range(int(books.length[~strayed].max(initial=0))):
            rows = np.flatnonzero((books.length > t) & ~strayed)
            self.bench.step(rows, books.log[:, t], reached)
            strayed |= (reached.terminated | reached.truncated) & (books.length > t)
        same = [(mine == theirs).reshape(batch, -1).all(1) for mine, theirs in zip(reached, seen, strict=True)]
        self._renew(books, reached, seen, strayed, ~np.all(same, axis=0) & ~strayed)

    def _renew(self, books: Books, reached: Rows, seen: Rows, strayed: np.ndarray, other: np.ndarray) -> None:
        """What cannot be continued exactly is continued as well as can be, and said."""
        title, differs = self.bench.title, "the resumed run differs from an uninterrupted one"
        if other.any():
            what = f"{title} does not repeat itself from the same seed and actions"
            warnings.warn(f"{what}: {differs}", RuntimeWarning, stacklevel=5)
        if strayed.any():
            what = f"{int(strayed.sum())} episodes of {title} cannot be replayed to where they were and begin anew"
            warnings.warn(f"{what}: {differs}", RuntimeWarning, stacklevel=5)
            rows = np.flatnonzero(strayed)
            books.turn(rows)
            self.bench.reset(rows, books.seeds(rows), reached)
        if other.any() or strayed.any():
            reached.copy_to(seen)
