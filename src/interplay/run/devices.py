"""Where the work runs: how many host devices there are, and how a run is laid over them.

Three layouts of one and the same method. `Seeds`: several seeds, each device trains its share one after the other.
`Split`: one seed whose batch of games is laid over all devices, gradients averaged at every step. `Host`: games in
Python, one seed after the other. All advance a state whose leaves have the seed on their leading axis, so checkpoints
are the same.
"""

import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax._src import xla_bridge
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from interplay.core import shards
from interplay.core.errors import InputError
from interplay.core.method import Method

SEED = "seed"
ONCE = {  # for programs that run once: compiling is all they cost
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
CHUNK = 64  # at most this many updates between two looks from the host
State = Any


def prepare(devices: int | None = None) -> int:
    """Make the processor's cores JAX devices and keep compiled programs between processes; returns the device count.

    Does nothing where JAX already runs. `devices` defaults to INTERPLAY_DEVICES or the number of usable cores, and
    compiled programs go to INTERPLAY_CACHE or ~/.cache/interplay.
    """
    if not xla_bridge.backends_are_initialized():
        default = int(os.environ.get("INTERPLAY_DEVICES", len(os.sched_getaffinity(0))))
        wanted = default if devices is None else devices
        if wanted < 1:
            raise InputError(f"cannot run on {wanted} devices: give 1 or more")
        jax.config.update("jax_num_cpu_devices", wanted)
        if wanted > 1 and "xla_cpu_multi_thread_eigen" not in os.environ.get("XLA_FLAGS", ""):
            # One thread a device: threads shared by devices get in each other's way.
            flags = os.environ.get("XLA_FLAGS", "")
            os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
        cache = Path(os.environ.get("INTERPLAY_CACHE", Path.home() / ".cache" / "interplay"))
        if _writable(cache):  # otherwise JAX would warn at every program
            jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return jax.device_count()


class Layout:
    """How the states of all seeds are made and advanced. Subclasses fill in `_init` and `_advance`."""

    name: str

    def __init__(self, method: Method, seeds: tuple[int, ...]):
        self.method, self.seeds = method, seeds

    def init(self) -> State:
        """The state of every seed before the first update, seeds on the leading axis."""
        raise NotImplementedError

    def advance(self, state: State, update: int, count: int) -> tuple[State, dict[str, np.ndarray]]:
        """`count` updates from number `update` on; metrics are "count seed"."""
        raise NotImplementedError

    def compile(self, state: State) -> State:
        """See that `advance` is compiled for states like this one, by asking for no updates at all."""
        return jax.block_until_ready(self.advance(state, 0, 0)[0])

    def shapes(self) -> State:
        """What `init` returns, as shapes and dtypes."""
        seeds = np.zeros(len(self.seeds), np.uint32)
        return jax.eval_shape(jax.vmap(self.method.init), jax.vmap(jax.random.key)(seeds))

    def needs(self) -> str:
        """What the method's team needs at run time: decentralized, center or order."""
        return jax.eval_shape(lambda key: self.method.team(self.method.init(key)), starting_key(0)).needs

    def place(self, state: State) -> State:
        """Put a restored state where this layout wants it."""
        return state

    def common(self, number: int) -> int:
        """The largest of a number that every process of this run has; where there is one process, its own."""
        return number

    def team(self, state: State, index: int):
        """The team of the seed at `index`."""
        return self.method.team(jax.tree.map(lambda leaf: leaf[index], state))


def starting_key(seed):
    """The key a seed's state is made from."""
    return jax.random.fold_in(jax.random.key(seed), 0)


def update_key(seed, update):
    """The key of one update: a function of the seed and the update's number, so that resuming needs no other record."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 1), update)


def _several(method: Method, state: State, seed, update, count):
    """Up to CHUNK updates of one seed in one program: state and metrics rows, of which the first `count` are filled."""
    shapes = jax.eval_shape(method.step, state, jax.random.key(0))[1]
    rows = {name: jnp.zeros((CHUNK, *shape.shape), shape.dtype) for name, shape in shapes.items()}

    def one(index, carry):
        state, rows = carry
        state, metrics = method.step(state, update_key(seed, update + index))
        return state, {name: rows[name].at[index].set(value) for name, value in metrics.items()}

    return jax.lax.fori_loop(0, count, one, (state, rows))


class Compiled(Layout):
    """A layout whose updates are one program, compiled in a thread of its own while the first state is made."""

    _program: Any  # of (state, seeds, update, count)
    _seeds: Array
    _later: Future | None = None
    _opening: Future | None = None

    def _fresh(self) -> tuple[Any, Array]:
        """A function that makes the states of all seeds, seeds leading, and what it is called with."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Begin to compile what makes the first state, if that is not done yet."""
        if self._opening is None:
            make, argument = self._fresh()
            self._opening = _aside(lambda: _once(jax.jit(make).lower(argument)))

    def init(self) -> State:
        self._start()
        self.prepare()
        return self.place(self._opening.result()(self._fresh()[1]))  # type: ignore[union-attr]

    def _abstract(self) -> State:
        """What `_program` is compiled for: the shapes of a state and where they lie."""
        raise NotImplementedError

    def _start(self) -> Future:
        """The program to be, whose compiling begins with the first call."""
        if self._later is None:
            arguments = (self._abstract(), self._seeds, np.uint32(0), np.int32(0))
            self._later = _aside(lambda: self._program.lower(*arguments).compile())
        return self._later

    def _run(self, state: State, update: int, count: int) -> tuple[State, Any]:
        return self._start().result()(state, self._seeds, np.uint32(update), np.int32(count))


class Seeds(Compiled):
    """Seeds laid over the devices; each device trains its seeds one after the other, exactly as if they were alone.

    A seed's numbers do not depend on how many train beside it; on another number of devices they round differently.
    """

    name = "seeds"

    def __init__(self, method: Method, seeds: tuple[int, ...], devices: int | None = None):
        super().__init__(method, seeds)
        used = min(devices or jax.device_count(), len(seeds))
        self.padding = -len(seeds) % used
        self.mesh = Mesh(np.array(jax.devices()[:used]), (SEED,))
        self._seeds = _put(jnp.array([*seeds, *seeds[: self.padding]], jnp.uint32), self.mesh, PartitionSpec(SEED))
        over, plain = PartitionSpec(SEED), PartitionSpec()
        mapped = jax.shard_map(
            self._many, mesh=self.mesh, in_specs=(over, over, plain, plain), out_specs=over, check_vma=False
        )
        self._program = jax.jit(mapped, donate_argnums=0)

    def _fresh(self):
        make = lambda seeds: jax.lax.map(lambda seed: self.method.init(starting_key(seed)), seeds)
        return make, jnp.array(self.seeds, jnp.uint32)

    def advance(self, state, update, count):
        state, rows = self._run(state, update, count)
        real = len(self.seeds)
        return state, {name: np.asarray(value)[:real, :count].swapaxes(0, 1) for name, value in rows.items()}

    def _many(self, states: State, seeds, update, count):
        return jax.lax.map(lambda row: _several(self.method, row[0], row[1], update, count), (states, seeds))

    def place(self, state):
        padded = jax.tree.map(_padded_by(self.padding), state)
        return jax.tree.map(lambda leaf: _put(leaf, self.mesh, PartitionSpec(SEED)), padded)

    def _abstract(self) -> State:
        grown = lambda leaf: jax.ShapeDtypeStruct((len(self._seeds), *leaf.shape[1:]), leaf.dtype)
        return jax.tree.map(lambda leaf: _lying(grown(leaf), self.mesh, PartitionSpec(SEED)), self.shapes())


class Split(Compiled):
    """One seed whose games are laid over the devices; every device holds the whole team."""

    name = "split"

    def __init__(self, method: Method, seeds: tuple[int, ...], devices: int | None = None):
        super().__init__(method, seeds)
        self.mesh = Mesh(np.array(jax.devices()[: devices or jax.device_count()]), (shards.BATCH,))
        self._marks = method.batched(jax.eval_shape(method.init, starting_key(0)))  # type: ignore[misc]
        self._specs = jax.tree.map(
            lambda games: PartitionSpec(None, shards.BATCH) if games else PartitionSpec(), self._marks
        )
        plain = PartitionSpec()
        mapped = jax.shard_map(
            self._one,
            mesh=self.mesh,
            in_specs=(self._specs, plain, plain, plain),
            out_specs=(self._specs, plain),
            check_vma=False,
        )
        self._program = jax.jit(mapped, donate_argnums=0)
        self._seeds = _put(jnp.uint32(seeds[0]), self.mesh, plain)

    def _fresh(self):
        return lambda key: jax.tree.map(lambda leaf: leaf[None], self.method.init(key)), starting_key(self.seeds[0])

    def trace(self) -> None:
        """Go through the program without running it; raises what its parts raise about shapes."""
        self._program.eval_shape(self.shapes(), self._seeds, np.uint32(0), np.int32(0))

    def advance(self, state, update, count):
        state, rows = self._run(state, update, count)
        return state, {name: np.asarray(value)[:count, None] for name, value in rows.items()}

    def _one(self, state: State, seed, update, count):
        alone = jax.tree.map(lambda leaf: leaf[0], state)
        alone, rows = _several(self.method, alone, seed, update, count)
        return jax.tree.map(lambda leaf: leaf[None], alone), rows

    def place(self, state):
        return jax.tree.map(lambda leaf, spec: _put(leaf, self.mesh, spec), state, self._specs)

    def _abstract(self) -> State:
        return jax.tree.map(lambda leaf, spec: _lying(leaf, self.mesh, spec), self.shapes(), self._specs)


class Host(Layout):
    """Methods that play games in Python: seeds one after the other, nothing compiled around them."""

    name = "host"

    def init(self) -> State:
        states = [self.method.init(starting_key(seed)) for seed in self.seeds]
        return jax.tree.map(lambda *leaves: _stack(leaves), *states)

    def shapes(self) -> State:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), self.init())

    def needs(self) -> str:
        return self.team(self.init(), 0).needs

    def advance(self, state, update, count):
        rows = []
        states = [jax.tree.map(lambda leaf, place=place: leaf[place], state) for place in range(len(self.seeds))]
        for index in range(update, update + count):
            keys = [update_key(seed, index) for seed in self.seeds]
            states, metrics = zip(*map(self.method.step, states, keys), strict=True)
            rows.append({name: np.stack([np.asarray(row[name]) for row in metrics]) for name in metrics[0]})
        state = jax.tree.map(lambda *leaves: _stack(leaves), *states)
        return state, {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def compile(self, state: State) -> State:
        """Nothing to do: parts compile when they are first called."""
        return state


def choose(method: Method, seeds: tuple[int, ...]) -> Layout:
    """The layout that uses this machine best: games split for one seed, seeds side by side for several."""
    alone = method.compiled and len(seeds) == 1 and jax.device_count() > 1 and method.batched is not None
    if alone and _divisible(method, jax.device_count()):
        split = Split(method, seeds)
        split.prepare()  # on another core than the one that goes through the program
        with contextlib.suppress(InputError):  # a device's part of the batch may be too small for what the whole allows
            split.trace()
            return split
    return plain(method, seeds)


def plain(method: Method, seeds: tuple[int, ...]) -> Layout:
    """The layout that asks nothing of the machine: it runs on however many devices there are, to the same numbers."""
    return Seeds(method, seeds) if method.compiled else Host(method, seeds)


def _writable(path: Path) -> bool:
    with contextlib.suppress(OSError):
        path.mkdir(parents=True, exist_ok=True)
    return os.access(path, os.W_OK)


def _divisible(method: Method, devices: int) -> bool:
    shapes = jax.eval_shape(method.init, starting_key(0))
    marks = method.batched(shapes)  # type: ignore[misc]
    sizes = {leaf.shape[0] for leaf, mark in zip(jax.tree.leaves(shapes), jax.tree.leaves(marks), strict=True) if mark}
    return all(size % devices == 0 for size in sizes)


def _where(leaf, mesh: Mesh, spec: PartitionSpec) -> NamedSharding:
    """Empty leaves are on all devices, as programs give them back (or they would compile twice)."""
    return NamedSharding(mesh, spec if leaf.size else PartitionSpec())


def _put(leaf, mesh: Mesh, spec: PartitionSpec):
    plain = leaf if _typed(leaf) else np.asarray(leaf)  # JAX would compile a program that cuts it, shape by shape
    return jax.device_put(plain, _where(leaf, mesh, spec))


def _once(lowered) -> Any:
    """The program, compiled in a hurry."""
    try:
        return lowered.compile(compiler_options=ONCE)
    except jax.errors.JaxRuntimeError:  # another release of XLA may not know the options
        return lowered.compile()


def _aside(work) -> Future:
    """`work()` in a thread of its own. Compiling needs Python for little, so it goes on beside whatever comes next."""
    pool = ThreadPoolExecutor(1, "compile")
    precise = jax.config.values[
        "jax_enable_x64"
    ]  # a thread starts with the process's setting, not with that of its parent

    def within():
        with jax.enable_x64(precise):
            return work()

    later = pool.submit(within)
    pool.shutdown(wait=False)
    return later


def _lying(leaf, mesh: Mesh, spec: PartitionSpec):
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=_where(leaf, mesh, spec))


def _padded_by(count: int):
    def pad(leaf):
        leaf = jnp.asarray(leaf)
        return jnp.concatenate([leaf, leaf[:count]]) if count else leaf

    return pad


def _stack(leaves):
    return np.stack([np.asarray(leaf) for leaf in leaves]) if not _typed(leaves[0]) else jnp.stack(leaves)


def _typed(leaf) -> bool:
    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def count() -> int:
    """How many devices there are."""
    return jax.device_count()
