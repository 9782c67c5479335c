"""Where a run took place: versions, machine and commit, found without importing jax."""

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("jax", "jaxlib", "numpy", "equinox", "optax")


def described(devices: int = 1) -> dict[str, Any]:
    """Versions, machine and commit of this process, without importing jax."""
    versions = {name: _version(name) for name in ("interplay", *PACKAGES)}
    return versions | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": devices,
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        **_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    with contextlib.suppress(OSError):
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if match:
            return match[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> dict[str, Any]:
    """The commit of the checkout this package lives in, else of the working directory, and whether files differ."""
    for place in (Path(__file__).parent, Path.cwd()):
        commit = _git(place, "rev-parse", "HEAD")
        if commit:
            return {"commit": commit, "modified": bool(_git(place, "status", "--porcelain", "--untracked-files=no"))}
    return {"commit": None, "modified": None}


def _git(place: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(place), *arguments]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return answer.stdout.strip() if answer.returncode == 0 else None
    return None
