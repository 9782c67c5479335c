"""Ragged groups as labels: sums, means and maxima over all elements that carry the same label, given back to each of them.

An array of labels beside an array of numbers says which number belongs to which group, whatever the sizes of the groups; no
reshape, and in compiled programs no new shape when groups change. GRPO's groups of attempts and the turns of a dialogue are
instances. The functions take numpy and JAX arrays (and, for losses, torch tensors) and load none of these libraries
themselves but numpy. Arrays of any shape will do; labels have the shape of the numbers.
"""

import importlib
import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

Numbers = Float[Any, "*elements"]
Labels = Shaped[Any, "*elements"]
Segments = Int[Any, "*elements"]


def namespace(*arrays: Any) -> Any:
    """The module whose functions work on `arrays`: `numpy`, or `jax.numpy` or `torch` where one of them belongs there.

    >>> namespace(np.ones(2)).__name__
    'numpy'
    """
    modules = (_home(array) for array in arrays)
    return next((module for module in modules if module is not np), np)


def constant(values: Any) -> Any:
    """The same values, through which no gradient flows."""
    if hasattr(values, "detach"):
        return values.detach()
    if namespace(values) is np:
        return values
    return importlib.import_module("jax").lax.stop_gradient(values)


def sum_within(values: Numbers, segment: Segments) -> Numbers:
    """For every element the sum over its segment, Σ_{j: segment_j = segment_i} values_j.

    Segments are whole numbers from 0 to (number of elements) − 1, as `distinct` makes them.

    >>> sum_within(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 0])).tolist()
    [5.0, 2.0, 5.0]
    """
    flat, place = values.reshape(-1), segment.reshape(-1)
    total = namespace(values).zeros_like(flat)
    if hasattr(values, "at"):
        total = total.at[place].add(flat)
    elif hasattr(values, "index_add"):
        total = total.index_add(0, place, flat)
    else:
        np.add.at(total, place, flat)
    return total[segment]


def mean_within(values: Numbers, segment: Segments, weight: Numbers) -> Numbers:
    """For every element Σ weight · value / Σ weight over its segment; 0 where nothing there has weight."""
    mass = sum_within(weight, segment)
    live = mass > 0
    xp = namespace(values)
    return xp.where(live, sum_within(weight * values, segment) / xp.where(live, mass, xp.ones_like(mass)), 0 * mass)


def max_within(values: Numbers, segment: Segments) -> Numbers:
    """For every element the largest value of its segment.

    >>> max_within(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 0])).tolist()
    [4.0, 2.0, 4.0]
    """
    flat, place = values.reshape(-1), segment.reshape(-1)
    top = namespace(values).full_like(flat, -math.inf)
    if hasattr(values, "at"):
        top = top.at[place].max(flat)
    else:
        np.maximum.at(top, place, flat)
    return top[segment]


def distinct(*labels: Shaped[Any, "..."]) -> Int[Any, "..."]:
    """Elements that agree in every label get one number, from 0 upwards in the labels' order; others get other numbers.

    >>> distinct(np.array([7, 7, 9, 7]), np.array([0, 1, 0, 0])).tolist()
    [0, 1, 2, 0]
    """
    xp = namespace(*labels)
    labels = xp.broadcast_arrays(*labels)
    flat = [label.reshape(-1) for label in labels]
    order = xp.lexsort(tuple(reversed(flat)))
    fresh = xp.zeros(max(len(order) - 1, 0), bool)
    for label in flat:
        fresh = fresh | (label[order][1:] != label[order][:-1])
    number = xp.concatenate([xp.zeros_like(order[:1]), xp.cumsum(fresh).astype(order.dtype)])
    return number[xp.argsort(order)].reshape(labels[0].shape)


def each(like: Shaped[Any, "..."]) -> Int[Any, "..."]:
    """Every element is a segment of its own."""
    return namespace(like).arange(math.prod(like.shape)).reshape(like.shape)


def _home(array: Any) -> Any:
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    module = type(array).__module__.partition(".")[0]
    return importlib.import_module(module) if hasattr(array, "detach") else np
