"""The backward recursion that returns and advantages share, on numpy and on JAX arrays.

x_t = δ_t + decay_t · x_{t+1} with different δ and decay gives discounted returns, generalized advantage estimation, and the
alignment weights of past advantages (run forward). It stands here once: compiled as a scan for JAX arrays, stepped through
for numpy arrays, of which language teams have ragged ones. JAX is loaded only for arrays of its own.
"""

import importlib
from typing import Any

import numpy as np
from jaxtyping import Float

from interplay.credit.segments import namespace

Rows = Float[Any, "..."]


def accumulate(delta: Rows, decay: Rows, last: Any = 0.0, *, axis: int = 0) -> Rows:
    """x_t = delta_t + decay_t · x_{t+1}, from x_T = `last`, with t along `axis`.

    >>> accumulate(np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.5, 0.5])).tolist()
    [1.75, 1.5, 1.0]
    """
    xp = namespace(delta, decay)
    delta, decay = (xp.moveaxis(xp.asarray(rows), axis, 0) for rows in (delta, decay))
    first = xp.broadcast_to(xp.asarray(last, dtype=delta.dtype), delta.shape[1:])
    rows = _stepped(delta, decay, first) if xp is np else _scanned(delta, decay, first)
    return xp.moveaxis(rows, 0, axis)


def generalized_advantage(reward: Rows, value: Rows, following: Rows, discount: Rows, trace: Rows | float) -> Rows:
    """A_t = δ_t + γ_t λ A_{t+1} with δ_t = r_t + γ' V'_t − V_t, time first.

    `following` is γ' V'_t, the discounted value of the step arrived at, and `discount` is γ_t, zero where row t + 1
    belongs to another episode. λ = 0 gives the one-step temporal difference, λ = 1 the return minus the value.

    Source: Schulman et al., "High-dimensional continuous control using generalized advantage estimation" (2016), eq. 16.
    """
    return accumulate(reward + following - value, trace * discount)


def _step(later, row):
    delta, decay = row
    now = delta + decay * later
    return now, now


def _scanned(delta, decay, first):
    return importlib.import_module("jax").lax.scan(_step, first, (delta, decay), reverse=True, unroll=8)[1]


def _stepped(delta, decay, first):
    rows, later = np.empty_like(delta), first
    for t in reversed(range(len(delta))):
        later, rows[t] = _step(later, (delta[t], decay[t]))
    return rows
