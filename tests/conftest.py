"""Two processor devices and one compile cache for the whole suite, settled before JAX starts; annotations are checked.

The layers that work on arrays are imported through jaxtyping's hook, so that every shape and dtype that an annotation
promises is checked whenever a test calls the function. `core.game` is left out: tests give wrong steps on purpose.
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import jax
import jaxtyping
import numpy as np
import pytest

DEVICES = 2
CACHE = Path(os.environ.get("INTERPLAY_CACHE", Path.home() / ".cache" / "interplay" / "tests"))
CORE = ("budget", "keys", "method", "population", "shards", "team", "trajectory")
LAYERS = ("credit", "games", "lm", "measure", "methods", "nets", "objectives", "play", "update")
CHECKED = [f"interplay.core.{name}" for name in CORE] + [f"interplay.{name}" for name in LAYERS]

os.environ["INTERPLAY_DEVICES"] = str(DEVICES)  # for the processes that tests start
# a third of the time in the compiler, and the same numbers up to rounding
QUICK = ("multi_thread_eigen=false", "use_fusion_emitters=false", "parallel_codegen_split_count=1")
FLAGS = [f"--xla_cpu_{flag}" for flag in QUICK]
FLAGS += ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *FLAGS]).strip()
jax.config.update("jax_num_cpu_devices", DEVICES)
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # uncompiled checks run hundreds of tiny programs
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)

if not os.environ.get("INTERPLAY_UNCHECKED"):  # whole numbers may stand for real ones
    jaxtyping.install_import_hook(CHECKED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    """Compiled programs of a file go with it: each holds memory maps, and a process may have about 65,000 of them."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def in_python():
    """`in_python(game)` is a pure game without chance as a game in Python, where `step` is told no key."""
    from interplay.core.game import HostGame  # not before the hook

    class InPython(HostGame):
        def __init__(self, game):
            self.game, self.spec = game, game.spec
            self.opens, self.goes = jax.jit(game.reset), jax.jit(game.step)

        def again(self):
            return InPython(self.game)

        def reset(self, seed):
            self.state, seen = self.opens(jax.random.key(seed))
            return jax.tree.map(np.asarray, seen)

        def step(self, action):
            self.state, seen = self.goes(self.state, action, jax.random.key(0))
            return jax.tree.map(np.asarray, seen)

    return InPython
