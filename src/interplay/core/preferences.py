"""Preferences over objectives: weights of 0 or more that sum to one."""

import itertools
from typing import Any

import numpy as np
from jaxtyping import Float

from interplay.core.errors import InputError

CLOSE = 1e-6  # sums may be this far from one


def checked(weights: Any) -> Float[np.ndarray, "*rows objective"]:
    """`weights` as preferences, objectives last.

    Raises `InputError` where a weight is below 0 and where weights do not sum to one.

    >>> checked([0.25, 0.75]).tolist()
    [0.25, 0.75]
    """
    given = np.asarray(weights, float)
    for row in given.reshape(-1, given.shape[-1]) if given.size else [given.ravel()]:
        if not (row >= 0).all() or not abs(row.sum() - 1) <= CLOSE:
            raise InputError(
                f"a preference is {row.tolist()}, with sum {row.sum():g}: give weights of 0 or more that sum to 1"
            )
    return given


def simplex(objectives: int, parts: int) -> Float[np.ndarray, "weight objective"]:
    """All preferences in steps of 1 / `parts`, in rising order of the first weight.

    >>> simplex(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    whole = [row for row in itertools.product(range(parts + 1), repeat=objectives - 1) if sum(row) <= parts]
    return np.array([(*row, parts - sum(row)) for row in whole]) / parts
