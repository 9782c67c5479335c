"""A gated recurrent unit along a whole sequence, written for one sequence and fast for any number of them.

Differentiating a scan adds up the gradient of its weights step by step, and that, not the network, is where the time of
recurrent training goes. Here backward steps carry nothing but the gradient of the memory; the gradient of the weights is
one product over all steps and sequences at the end. As in `nets.dense`, a primitive of its own gathers all mapped axes
into rows, however often it is mapped.
"""

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

_unroll, _slope = Primitive("interplay_unroll"), Primitive("interplay_unroll_slope")
_unroll.multiple_results = True
LEAD = (None, None, 0, 1, 1)  # where mapped axes go: weight, bias (nowhere); memory, projected, alive
SLOPE = (*LEAD, 1, 1, None, None, 0, 1)  # then states and recurrent, then tangents of the first four


def unroll(
    weight: Float[Array, "hidden gates"],
    bias: Float[Array, "hidden"],
    memory: Float[Array, "*mapped hidden"],
    projected: Float[Array, "time *mapped gates"],
    alive: Float[Array, "time *mapped"],
) -> Float[Array, "time *mapped hidden"]:
    """The memory after every step: r, z, c are the three blocks of `gates`, p = `projected`, h = memory · alive.

    r = σ(p_r + h U_r), z = σ(p_z + h U_z), c = tanh(p_c + r ⊙ (h U_c + bias)), h' = (1 − z) ⊙ c + z ⊙ h.

    `alive` is 0 at steps that begin with an empty memory and 1 at all others.

    >>> unroll(jnp.eye(2, 6), jnp.zeros(2), jnp.zeros(2), jnp.zeros((5, 6)), jnp.ones(5)).shape
    (5, 2)
    """
    return _unroll.bind(weight, bias, memory, projected, alive)[0]


def gates(recurrent: Float[Array, "*rows gates"], bias: Float[Array, "hidden"], projected: Float[Array, "*rows gates"]):
    """(reset gate, keep gate, what the reset gate multiplies, candidate) of one step."""
    size = bias.shape[-1]
    both = jax.nn.sigmoid(projected[..., : 2 * size] + recurrent[..., : 2 * size])
    reset, keep = both[..., :size], both[..., size:]
    inner = recurrent[..., 2 * size :] + bias
    return reset, keep, inner, jnp.tanh(projected[..., 2 * size :] + reset * inner)


def step(
    weight: Float[Array, "hidden gates"],
    bias: Float[Array, "hidden"],
    memory: Float[Array, "*rows hidden"],
    projected: Float[Array, "*rows gates"],
) -> tuple[Float[Array, "*rows hidden"], Float[Array, "*rows gates"]]:
    """One step: the new memory, and the recurrent product h U that led to it."""
    recurrent = memory @ weight
    _, keep, _, candidate = gates(recurrent, bias, projected)
    return (1 - keep) * candidate + keep * memory, recurrent


def _forward(weight, bias, memory, projected, alive):
    """(states, recurrent products) of every step."""

    def advance(memory, row):
        projected, after = row
        state, recurrent = step(weight, bias, memory, projected)
        return state * after[..., None], (state, recurrent)  # emptied here, or the step would not run as vectors

    alive = jax.lax.optimization_barrier(alive)  # nor would it where the compiler sees that this is 1 throughout
    after = jnp.concatenate([alive[1:], jnp.ones_like(alive[:1])])
    return jax.lax.scan(advance, memory * alive[0][..., None], (projected, after))[1]


def _backward(cotangent, weight, bias, memory, projected, alive, states, recurrent):
    """Gradients of the weight, the bias, the first memory and the projected inputs."""
    before = jnp.concatenate([memory[None], states[:-1]]) * alive[..., None]

    def retreat(gradient, row):
        cotangent, before, projected, recurrent, alive = row
        reset, keep, inner, candidate = gates(recurrent, bias, projected)
        gradient = gradient + cotangent
        to_candidate = gradient * (1 - keep) * (1 - candidate * candidate)
        to_keep = gradient * (before - candidate) * keep * (1 - keep)
        to_inner = to_candidate * reset
        to_reset = to_inner * inner * (1 - reset)
        to_recurrent = jnp.concatenate([to_reset, to_keep, to_inner], -1)
        return (gradient * keep + to_recurrent @ weight.T) * alive[..., None], (to_recurrent, to_candidate)

    rows = (cotangent, before, projected, recurrent, alive)
    first, (to_recurrent, to_candidate) = jax.lax.scan(retreat, jnp.zeros_like(memory), rows, reverse=True)
    flat = lambda rows: rows.reshape(-1, rows.shape[-1])
    size = bias.shape[-1]
    to_inner = to_recurrent[..., 2 * size :]
    to_projected = jnp.concatenate([to_recurrent[..., : 2 * size], to_candidate], -1)
    return flat(before).T @ flat(to_recurrent), flat(to_inner).sum(0), first, to_projected


def _tangent(*arguments):
    """The tangent of the states: linear in the last four arguments, the tangents."""
    primals, alive, tangents = arguments[:4], arguments[4], arguments[7:]
    states = lambda weight, bias, memory, projected: _forward(weight, bias, memory, projected, alive)[0]
    return jax.jvp(states, primals, tangents)[1]


def _differentiate(primals, tangents):
    states, recurrent = _unroll.bind(*primals)
    given = [ad.instantiate_zeros(tangent) for tangent in tangents[:4]]
    slope = _slope.bind(*primals, states, recurrent, *given)
    return (states, recurrent), (slope, ad.Zero(jax.typeof(recurrent)))


def _transpose(cotangent, *arguments):
    kept, asked = arguments[:7], arguments[7:]
    if isinstance(cotangent, ad.Zero):
        return (None,) * len(arguments)
    found = _backward(cotangent, *kept)
    return (
        *(None,) * 7,
        *(one if ad.is_undefined_primal(ask) else None for one, ask in zip(found, asked, strict=True)),
    )


def _gathered(primitive: Primitive, function, places, outputs):
    """A batching rule: the mapped axis joins the others, or, where weights are mapped, the function itself is mapped."""

    def rule(arguments, axes):
        if any(axis is not None for axis, place in zip(axes, places, strict=True) if place is None):
            return jax.vmap(function, axes, outputs)(*arguments), outputs
        size = next(x.shape[axis] for x, axis in zip(arguments, axes, strict=True) if axis is not None)

        def led(x, axis, place):
            if place is None:
                return x
            return batching.bdim_at_front(x, axis, size) if place == 0 else _second(x, axis, size)

        moved = [led(x, axis, place) for x, axis, place in zip(arguments, axes, places, strict=True)]
        return primitive.bind(*moved), outputs

    return rule


def _second(x, axis, size: int):
    if axis is None:
        return jnp.broadcast_to(x[:, None], (x.shape[0], size, *x.shape[1:]))
    return jnp.moveaxis(x, axis, 1)


def _shapes(weight, bias, memory, projected, alive):
    return [ShapedArray((*alive.shape, bias.shape[0]), memory.dtype), ShapedArray(projected.shape, projected.dtype)]


_unroll.def_impl(jax.jit(_forward))
_unroll.def_abstract_eval(_shapes)
mlir.register_lowering(_unroll, mlir.lower_fun(_forward, multiple_results=True))
batching.primitive_batchers[_unroll] = _gathered(_unroll, _forward, LEAD, (1, 1))
ad.primitive_jvps[_unroll] = _differentiate

_slope.def_impl(jax.jit(_tangent))
_slope.def_abstract_eval(lambda *arguments: _shapes(*arguments[:5])[0])
mlir.register_lowering(_slope, mlir.lower_fun(_tangent, multiple_results=False))
batching.primitive_batchers[_slope] = _gathered(_slope, _tangent, SLOPE, 1)
ad.primitive_transposes[_slope] = _transpose
