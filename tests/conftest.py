"""Two processor devices and one compile cache for the whole suite, settled before JAX starts.

The package itself is not imported here: its annotations are checked at run time by an import hook that has to come first.
"""

import os
from pathlib import Path

import jax

DEVICES = 2
CACHE = Path(os.environ.get("INTERPLAY_CACHE", Path.home() / ".cache" / "interplay" / "tests"))

os.environ["INTERPLAY_DEVICES"] = str(DEVICES)  # for the processes that tests start
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
jax.config.update("jax_num_cpu_devices", DEVICES)
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # uncompiled checks run hundreds of tiny programs
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
