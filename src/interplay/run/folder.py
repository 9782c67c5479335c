"""A run is a folder that a person can read with `less`: what was asked, where it ran, what was measured, how it ended.

Everything here is a small file that is either whole or absent (written beside its place, flushed, then renamed), so a
reader never meets half a file, whatever killed the writer. The settings of a run and its last status are two known
instances; the metrics are the exception, one appended line a row, where only the last line can be torn. No jax here:
commands that only read folders must start at once.
"""

import contextlib
import difflib
import errno
import fcntl
import json
import math
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interplay.core.errors import InputError
from interplay.run import environment

FORMAT = 1
STATES = ("running", "done", "interrupted", "failed")
NEEDED = ("method", "game", "seeds", "seed", "steps", "settings")
STATUS = {
    "state": "running",
    "step": 0,
    "steps_per_second": 0.0,
    "compile_seconds": 0.0,
    "execution": "decentralized",
    "notes": [],
}
REASONS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only: choose a folder that can be written",
    errno.EACCES: "permission denied: choose a folder that can be written",
    errno.EPERM: "permission denied: choose a folder that can be written",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away or choose another folder",
}
SECRET_VARIABLE = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD)$", re.IGNORECASE)
SECRET_SETTING = re.compile(
    r"(^|_)(api_?key|private_key|access_token|auth_token|secret|password|passwd)$", re.IGNORECASE
)
SECRET_ADDRESS = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


@dataclass(frozen=True)
class Run:
    """One run folder; `settings` is the whole of settings.json, everything else is read when asked for."""

    path: Path
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's own name, such as ippo-spread-0001."""
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, one sub-folder a step; it need not exist yet."""
        return self.path / "checkpoints"

    @property
    def replays(self) -> Path:
        """The folder of replays; it need not exist yet."""
        return self.path / "replays"

    @property
    def metrics_file(self) -> Path:
        """The file of metrics, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def figures_file(self) -> Path:
        """What the trained teams show besides their return; there is none for most methods."""
        return self.path / "figures.json"

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, machine and commit the run was started with; empty if it was killed before they were written."""
        return _read_json(self.path / "environment.json") or {}

    def metrics(self) -> list[dict[str, Any]]:
        """All rows written so far, oldest first; a torn last line (a writer killed in mid-line) is left out."""
        return [row for _, row in _rows(self.metrics_file)]

    def truncate_metrics(self, step: int) -> None:
        """Drop the rows after `step` and any torn line, atomically; call it on resume before opening the sink."""
        if self.metrics_file.exists():
            kept = [line + b"\n" for line, row in _rows(self.metrics_file) if row.get("step", 0) <= step]
            write_atomic(self.metrics_file, b"".join(kept))

    def status(self) -> dict[str, Any]:
        """How far the run is and how it ended, with every field of the contract filled in."""
        return STATUS | {"notes": []} | (_read_json(self.path / "status.json") or {})

    def write_status(self, **changes: Any) -> None:
        """Change some fields of status.json, atomically: `run.write_status(state="done", step=1_000_000)`."""
        unknown = sorted(set(changes) - set(STATUS))
        if unknown:
            raise InputError(f"status has no field {unknown[0]!r}: use {', '.join(STATUS)}")
        if changes.get("state", "running") not in STATES:
            raise InputError(f"state {changes['state']!r} is unknown: use {', '.join(STATES)}")
        write_json_atomic(self.path / "status.json", self.status() | changes)

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold the folder for this process while training; raises InputError if another process holds it."""
        return lock(self.path)

    def is_training(self) -> bool:
        """Whether some process holds the folder now: a status of "running" without one was killed."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except OSError:
            return True
        finally:
            os.close(descriptor)


def next_name(root: Path | str, method: str, game: str) -> Path:
    """Make and return the next free folder `root/method-game-0001`; two processes never get the same one."""
    root = Path(root)
    stem = "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-.") for word in (method, game))
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = [re.fullmatch(re.escape(stem) + r"-(\d{4,})", entry.name) for entry in root.iterdir()]
        number = max((int(match[1]) for match in taken if match), default=0)
        while True:
            number += 1
            with contextlib.suppress(FileExistsError):
                path = root / f"{stem}-{number:04d}"
                path.mkdir()
                return path
    except OSError as error:
        raise InputError(disk_line(error, root)) from error


def create(path: Path | str, settings: dict[str, Any], devices: int = 1) -> Run:
    """Start a run folder at a new or empty place: settings.json, environment.json, status.json.

    `settings` holds method, game, seeds, seed, steps, settings and descriptions; the format is added here. Raises
    InputError if the folder holds a run or anything else, if it cannot be written, or if a setting holds a secret.
    """
    path = Path(path)
    _refuse_secrets(settings)
    missing = [name for name in NEEDED if name not in settings]
    if missing:
        raise InputError(f"settings of a run need {', '.join(missing)}")
    try:
        path.mkdir(parents=True, exist_ok=True)
        _refuse_occupied(path)
    except OSError as error:
        raise InputError(disk_line(error, path)) from error
    with lock(path):
        _refuse_occupied(path)
        write_json_atomic(path / "settings.json", {"format": FORMAT} | settings)
        write_json_atomic(path / "environment.json", environment.described(devices))
        write_json_atomic(path / "status.json", STATUS)
    return open_run(path)


def discard(run: Run, whole: bool) -> None:
    """Take back a run in which nothing was trained, so that its name is free again; `whole`: the folder as well."""
    rows = run.metrics_file.stat().st_size if run.metrics_file.exists() else 0
    if rows or run.checkpoints.exists():
        return
    with contextlib.suppress(OSError):
        for name in ("metrics.jsonl", "status.json", "environment.json", "settings.json", "lock"):
            (run.path / name).unlink(missing_ok=True)
        if whole:
            run.path.rmdir()


def open_run(path: Path | str) -> Run:
    """Open a run folder; raises InputError if it is none, or if another version of Interplay wrote it."""
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"there is no run folder {path}{_nearest(path)}: `interplay train` makes one")
    settings = _read_json(path / "settings.json")
    if settings is None:
        runs = sorted(str(entry.parent) for entry in path.glob("*/settings.json"))
        hint = f"give one of {', '.join(runs[:3])}" if runs else "give a folder that `interplay train` made"
        raise InputError(f"{path} is no run folder (it has no settings.json): {hint}")
    if settings.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {settings.get('format')!r}, this version reads format {FORMAT}: "
            "open it with the version of Interplay named in its environment.json"
        )
    missing = [name for name in NEEDED if name not in settings]
    if missing:
        raise InputError(f"{path}/settings.json lacks {', '.join(missing)}: restore the file or train again")
    return Run(path, settings)


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold `path/lock` for this process; the system frees it when the process ends, however it ends."""
    name = path / "lock"
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(disk_line(error, name)) from error
    try:
        _take(descriptor, name)
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def write_json_atomic(path: Path, value: Any) -> None:
    """Write one JSON file so that a reader finds the old or the new text, never half of one; raises InputError."""
    write_atomic(path, json.dumps(plain(value), indent=2, allow_nan=False).encode() + b"\n")


def write_atomic(path: Path, data: bytes) -> None:
    """Write bytes beside `path`, flush them to the disk and rename over it; raises InputError, leaving the old file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write_flushed(partial, data)
        os.replace(partial, path)
        sync_directory(path.parent)
    except OSError as error:
        raise InputError(disk_line(error, path)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_flushed(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Wait until the disk has the names in a directory, so that a rename outlives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_line(error: OSError, path: Path | str) -> str:
    """One line that says why `path` cannot be written and what to do."""
    return f"cannot write {path}: {REASONS.get(error.errno or 0, error.strerror or type(error).__name__)}"


def plain(value: Any) -> Any:
    """Turn numbers of numpy or jax into Python's, numbers that are not finite into None, and hide secrets in text."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Path):
        return scrub(str(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise InputError(f"cannot write {type(value).__name__} as JSON: give numbers, text, lists or dicts")


def scrub(text: str) -> str:
    """Replace the values of secret environment variables and the user part of addresses by ***."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return SECRET_ADDRESS.sub("***", text)


def _secrets() -> list[str]:
    """Values of the environment's keys, tokens and passwords; short ones are no secrets and occur by chance."""
    return [value for name, value in os.environ.items() if SECRET_VARIABLE.search(name) and len(value) >= 8]


def _refuse_secrets(settings: dict[str, Any]) -> None:
    for name, value in [*settings.items(), *dict(settings.get("settings", {})).items()]:
        if isinstance(value, str) and value and (SECRET_SETTING.search(name) or scrub(value) != value):
            raise InputError(f"setting {name!r} holds a secret: leave it out and set it as an environment variable")


def _refuse_occupied(path: Path) -> None:
    names = {entry.name for entry in path.iterdir()}
    if "settings.json" in names:
        raise InputError(
            f"{path} holds a run already: continue it with `interplay resume {path}`, or choose another --out"
        )
    names -= {name for name in names if name == "lock" or name.startswith(".settings.json.")}
    if names:
        raise InputError(
            f"{path} is not empty ({min(names)}) and holds no run: choose a new or empty folder with --out"
        )


def _rows(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each whole line with its row; what follows the last line end was torn by a kill."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path} line {number} is damaged: delete that line and try again")
        yield line, row


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: restore it from a copy") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object: restore it from a copy")
    return value


def _take(descriptor: int, name: Path) -> None:
    """Try for a moment: a reader that asks `is_training` holds the lock for microseconds."""
    for pause in (0.01, 0.05, 0.1, 0.0):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        except OSError as error:
            raise InputError(f"cannot lock {name} ({error.strerror}): choose a folder on a local disk") from error
    holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
    raise InputError(
        f"another process ({holder}) is training into {name.parent}: wait for it or stop it (lock: {name})"
    )


def _nearest(path: Path) -> str:
    siblings = [entry.parent.name for entry in path.parent.glob("*/settings.json")]
    close = difflib.get_close_matches(path.name, siblings, n=1)
    return f" (nearest: {path.parent / close[0]})" if close else ""
