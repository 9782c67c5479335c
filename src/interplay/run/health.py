"""What works on this machine, and what to install for the rest."""

import importlib.metadata
import importlib.util
import os
import shutil
from typing import Any

EXTRAS = {  # what it gives -> (package, extra)
    "PettingZoo games": ("pettingzoo", "pettingzoo"),
    "particle games of mpe2": ("mpe2", "pettingzoo"),
    "Gymnasium games": ("gymnasium", "gymnasium"),
    "multi-agent MuJoCo": ("gymnasium_robotics", "mujoco"),
    "JaxMARL games": ("jaxmarl", "jaxmarl"),
    "Jumanji games": ("jumanji", "jumanji"),
    "TensorBoard logs": ("tensorboardX", "sinks"),
    "Weights & Biases logs": ("wandb", "sinks"),
    "MLflow logs": ("mlflow", "sinks"),
    "Trackio logs": ("trackio", "sinks"),
    "game trees of OpenSpiel": ("pyspiel", "openspiel"),
    "language models": ("torch", "lm"),
    "tools of MCP servers": ("mcp", "mcp"),
}
SANDBOX = "apt-get install bubblewrap (or your system's package of that name)"


def examine() -> dict[str, Any]:
    """Devices, the compile cache, and every optional part with the command that installs it."""
    import jax

    from interplay.run import devices

    count = devices.prepare()
    cache = jax.config.values["jax_compilation_cache_dir"]
    parts = {}
    for name, (package, extra) in EXTRAS.items():
        there = importlib.util.find_spec(package) is not None
        parts[name] = {"works": there, "install": None if there else f"pip install 'interplay[{extra}]'"}
    walls = shutil.which("bwrap") is not None
    parts["programs of others, in a sandbox"] = {"works": walls, "install": None if walls else SANDBOX}
    return {
        "interplay": importlib.metadata.version("interplay"),
        "jax": jax.__version__,
        "platform": jax.default_backend(),
        "devices": count,
        "cores": os.cpu_count(),
        "compile_cache": {"path": cache, "writable": _writable(cache)},
        "parts": parts,
    }


def show(found: dict[str, Any]) -> None:
    """Print what `examine` found as a table."""
    import rich.console
    import rich.markup
    import rich.table

    table = rich.table.Table("part", "works", "to install", box=None)
    cache = found["compile_cache"]
    table.add_row(f"JAX {found['jax']} on {found['devices']} {found['platform']} devices", "yes", "")
    advice = "" if cache["writable"] else "set INTERPLAY_CACHE to a folder that can be written"
    table.add_row(f"compile cache {cache['path']}", "yes" if cache["writable"] else "no", advice)
    for name, part in found["parts"].items():
        table.add_row(name, "yes" if part["works"] else "no", rich.markup.escape(part["install"] or ""))
    rich.console.Console().print(table)


def _writable(path: str | None) -> bool:
    if not path:
        return False
    try:
        os.makedirs(path, exist_ok=True)
    except OSError:
        return False
    return os.access(path, os.W_OK)
