"""Errors that a user can mend. The command line turns each into one line and exit code 2."""

ONE_REWARD = (
    "this game has {objectives} objectives and the method learns from one reward: train mo-mix, or play "
    "weighed(game='…', weights=(…))"
)


class InputError(ValueError):
    """Something the user gave is wrong: a name, a shape, a file, a setting. The message says what to do next."""


class StoppedError(RuntimeError):
    """Something ended training in its midst; `run` is the run folder, where there is one by then."""

    run: str | None = None


class GameError(StoppedError):
    """A game of the user's raised, hung or answered with the wrong shapes while it was played."""


class LostError(StoppedError):
    """Of several processes that train together another one ended, fell silent, or holds other weights."""


class DivergenceError(StoppedError):
    """Training produced a number that is not finite; names the step, the seed, the metric and the last good checkpoint."""


def at_least(what: str, **values: tuple[float, float]) -> None:
    """Raise `InputError` for the first of `name=(value, least)` that is too small.

    >>> at_least("gathering", hits=(2, 1))
    """
    for name, (value, least) in values.items():
        if value < least:
            raise InputError(f"{what} got {name}={value}: give at least {least}")
