"""Networks of one agent, with and without memory.

`Network` is tower → (cell) → head. Without a cell it is the feed-forward net of PPO; with a `GRU` it is the recurrent one.
A whole sequence runs the tower and the head on all steps at once and only the cell one step after the other.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from interplay.nets.dense import MLP, Activation, Dense, orthogonal
from interplay.nets.unroll import step, unroll


class GRU(eqx.Module):
    """A gated recurrent unit (Cho et al. 2014) in the variant whose reset gate follows the recurrent product.

    r = σ(xWr + hUr + b), z = σ(xWz + hUz + b), c = tanh(xWc + b + r ⊙ (hUc + d)), h' = (1 − z) ⊙ c + z ⊙ h.
    """

    inputs: Dense
    hidden: Float[Array, "hidden gates"]
    candidate_bias: Float[Array, "hidden"]

    def __init__(self, inputs: int, hidden: int, key: PRNGKeyArray):
        first, second = jax.random.split(key)
        self.inputs = Dense(inputs, 3 * hidden, 1.0, first)
        blocks = jax.random.split(second, 3)
        self.hidden = jnp.concatenate([orthogonal(block, (hidden, hidden)) for block in blocks], axis=1)
        self.candidate_bias = jnp.zeros(hidden)

    @property
    def size(self) -> int:
        return self.candidate_bias.shape[-1]

    def begin(self) -> Float[Array, "hidden"]:
        return jnp.zeros(self.size)

    def advance(self, memory: Float[Array, "hidden"], projected: Float[Array, "gates"]) -> Float[Array, "hidden"]:
        """One step from an input that has already been through `inputs`."""
        return step(self.hidden, self.candidate_bias, memory, projected)[0]

    def unroll(
        self, memory: Float[Array, "hidden"], projected: Float[Array, "time gates"], started: Bool[Array, "time"]
    ) -> Float[Array, "time hidden"]:
        """`advance` along the first axis, the memory starting afresh at every row that opens an episode."""
        return unroll(self.hidden, self.candidate_bias, memory, projected, 1.0 - started)


class Network(eqx.Module):
    """One agent's network: features in, `outputs` numbers out, with the memory of its cell if it has one."""

    tower: MLP
    cell: GRU | None
    head: Dense

    def __init__(
        self,
        inputs: int,
        outputs: int,
        key: PRNGKeyArray,
        *,
        width: int = 64,
        depth: int = 2,
        memory: int = 0,
        gain: float = 1.0,
        activation: Activation = jnp.tanh,
    ):
        """`depth` layers of `width`, a GRU of `memory` units if that is not 0, and a head scaled by `gain`."""
        first, second, third = jax.random.split(key, 3)
        self.tower = MLP((inputs,) + (width,) * depth, first, activation)
        features = width if depth else inputs
        self.cell = GRU(features, memory, second) if memory else None
        self.head = Dense(memory or features, outputs, gain, third)

    def begin(self) -> PyTree[Array]:
        return () if self.cell is None else self.cell.begin()

    def __call__(self, memory: PyTree[Array], x: Float[Array, "input"]) -> tuple[PyTree[Array], Float[Array, "output"]]:
        features = self.tower(x)
        if self.cell is None:
            return memory, self.head(features)
        memory = self.cell.advance(memory, self.cell.inputs(features))
        return memory, self.head(memory)

    def sequence(
        self, memory: PyTree[Array], x: Float[Array, "time input"], started: Bool[Array, "time"]
    ) -> tuple[PyTree[Array], Float[Array, "time output"]]:
        """`__call__` along the first axis, the memory starting afresh at every row that opens an episode."""
        features = jax.vmap(self.tower)(x)
        if self.cell is None:
            return memory, jax.vmap(self.head)(features)
        states = self.cell.unroll(memory, jax.vmap(self.cell.inputs)(features), started)
        return states[-1], jax.vmap(self.head)(states)
