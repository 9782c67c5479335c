"""A checkpoint is a pytree of arrays in a directory of two files: the numbers, and a manifest that names every path.

Keys are readable paths ("play/memory/hidden", "team/members/0/weight"), so a part of a state can be found and restored
by name; the learner's state and one agent of a finished team are two known instances. A directory appears under its
name only when both files are on the disk, it carries a digest of each, and nothing is ever written over: a kill, a
full disk or a flipped byte costs at most the newest checkpoint, never the one before. No pickle anywhere.
"""

import collections
import contextlib
import difflib
import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from interplay.core.errors import InputError
from interplay.run import folder

FORMAT = 1
TENSORS = "state.safetensors"
MANIFEST = "manifest.json"
# What safetensors can hand back as numpy; every other dtype is stored as unsigned integers of the same bits.
NATIVE = {"bool", "float16", "float32", "float64", "complex64"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
ARRAYS = (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)
SCALARS = ((bool, "bool"), (int, "int64"), (float, "float64"), (complex, "complex128"))
ROOT = "value"  # the path of a tree that is one single leaf
FIT = "use the settings and the version of Interplay that made it"

Tree = Any
Entry = dict[str, Any]


class CheckpointError(InputError):
    """A checkpoint cannot be written or read; the message names it and says what to do."""


def checkpoint_path(checkpoints: Path | str, step: int) -> Path:
    """The directory of one step's checkpoint: `checkpoints/000000001024`."""
    return Path(checkpoints) / f"{step:012d}"


def step_of(directory: Path | str) -> int:
    """The step a checkpoint directory is named after."""
    return int(Path(directory).name)


def save(directory: Path | str, tree: Tree, about: dict[str, Any]) -> Path:
    """Write the arrays of a tree as one checkpoint, wholly or not at all, and return its directory.

    Leaves are jax or numpy arrays, typed random keys and Python numbers; any other leaf (a function, a string) is not
    saved. `about` is small JSON kept in the manifest. Saving the same state again under the same name does nothing; a
    damaged checkpoint of that name is set aside, a good one with another state is an error. Raises CheckpointError.

    >>> save(checkpoint_path(run.checkpoints, 1024), state, {"seconds": 3.5})  # doctest: +SKIP
    """
    directory = Path(directory)
    entries, tensors = _collect(tree)
    data = safetensors.numpy.save(tensors)
    digest = hashlib.sha256(data).hexdigest()
    manifest = {"format": FORMAT, "about": folder.plain(about), "digest": digest, "paths": entries}
    text = json.dumps(manifest | {"seal": _seal(manifest)}, indent=1).encode() + b"\n"
    partial = directory.with_name(f".{directory.name}.partial")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
        partial.mkdir()
        folder.write_flushed(partial / TENSORS, data)
        folder.write_flushed(partial / MANIFEST, text)
        folder.sync_directory(partial)
        _publish(partial, directory, digest)
    except OSError as error:
        line = folder.disk_line(error, f"checkpoint {directory}")
        raise CheckpointError(f"{line} (earlier checkpoints are untouched)") from error
    finally:
        with contextlib.suppress(OSError):
            _remove(partial)
    return directory


def restore(directory: Path | str, like: Tree) -> Tree:
    """Read a checkpoint into the structure of `like`, a tree of arrays or ShapeDtypeStruct.

    Arrays come back as numpy, keys as typed keys, Python numbers as Python numbers; other leaves are taken from
    `like`. Raises CheckpointError if the files are damaged or a path, a shape or a dtype differs.
    """
    return _load(Path(directory), like, "", ())


def restore_path(directory: Path | str, like: Tree, path: str, index: tuple[int, ...] = ()) -> Tree:
    """Read only the subtree at `path`; `index` picks one entry of its leading axes, such as (seed, member).

    `like` has the shapes after indexing. One agent of n, of the second seed of a run:

    >>> restore_path(directory, one_network, "team/population/members", (1, 3))  # doctest: +SKIP
    """
    return _load(Path(directory), like, path.strip("/"), index)


def check(directory: Path | str) -> dict[str, Any]:
    """Return the manifest of a checkpoint whose two files are whole; raises CheckpointError otherwise."""
    directory = Path(directory)
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
        with open(directory / TENSORS, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"checkpoint {directory} cannot be read ({error.strerror}): use another one") from error
    except ValueError as error:
        raise CheckpointError(f"checkpoint {directory} has a damaged manifest: use another one") from error
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version != FORMAT:
        raise CheckpointError(f"checkpoint {directory} has format {version}, this version reads {FORMAT}: {FIT}")
    if version is None or manifest.pop("seal", None) != _seal(manifest):
        raise CheckpointError(f"checkpoint {directory} has a damaged manifest: use another one")
    if manifest["digest"] != digest:
        raise CheckpointError(f"checkpoint {directory} is damaged (its digest differs): use another one")
    return manifest


def all_good(checkpoints: Path | str) -> tuple[list[Path], list[str]]:
    """All whole checkpoints, oldest first, and a line for each that had to be skipped."""
    good, notes = [], []
    for directory in reversed(_newest_first(Path(checkpoints))):
        try:
            check(directory)
            good.append(directory)
        except CheckpointError as error:
            notes.append(f"skipped: {error}")
    return good, notes


def find_good(checkpoints: Path | str) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint (None if there is none) and a line for each newer one that had to be skipped."""
    notes = []
    for directory in _newest_first(Path(checkpoints)):
        try:
            check(directory)
            return directory, notes
        except CheckpointError as error:
            notes.append(f"skipped: {error}")
    return None, notes


def latest(checkpoints: Path | str) -> Path:
    """The newest whole checkpoint; raises CheckpointError, with what was skipped, if there is none."""
    directory, notes = find_good(checkpoints)
    if directory is None:
        raise CheckpointError("; ".join([f"no checkpoint to use in {checkpoints}: train the run again", *notes]))
    return directory


def prune(checkpoints: Path | str, keep: int) -> list[Path]:
    """Remove all but the newest `keep` checkpoints, never the newest good one; returns what was removed.

    Leftovers of killed saves go as well, so only the process that holds the run's lock may call it.
    """
    if keep < 1:
        raise InputError(f"keep is {keep}: keep at least 1 checkpoint")
    checkpoints = Path(checkpoints)
    good, _ = find_good(checkpoints)
    removed = [directory for directory in _newest_first(checkpoints)[keep:] if directory != good]
    try:
        for directory in removed:
            # Renamed first: a kill during the removal leaves a leftover, not half a checkpoint.
            partial = directory.with_name(f".{directory.name}.partial")
            _remove(partial)
            os.rename(directory, partial)
        for partial in checkpoints.glob(".*.partial"):
            _remove(partial)
    except OSError as error:
        raise CheckpointError(f"cannot remove old checkpoints in {checkpoints}: {error.strerror}") from error
    return removed


def _collect(tree: Tree) -> tuple[dict[str, Entry], dict[str, np.ndarray]]:
    """Entries of the manifest and tensors of the file, by path."""
    named = [(path, leaf) for path, leaf in _named(tree, "")[0] if _is_saved(leaf)]
    twice = [path for path, count in collections.Counter(path for path, _ in named).items() if count > 1]
    if twice:
        raise CheckpointError(f"two parts of the state are both called {twice[0]!r}: rename a dict key that holds '/'")
    raw = [jax.random.key_data(leaf) if _is_key(leaf) else leaf for _, leaf in named]
    entries, tensors = {}, {}
    for (path, leaf), array in zip(named, jax.device_get(raw), strict=True):
        entries[path] = _entry(leaf)
        try:
            tensors[path] = _encode(np.asarray(array, None if isinstance(leaf, ARRAYS) else _scalar_dtype(leaf)))
        except (OverflowError, TypeError) as error:
            raise CheckpointError(f"{path!r} cannot be saved ({error}): keep it out of the state") from error
    return entries, tensors


def _named(tree: Tree, prefix: str) -> tuple[list[tuple[str, Any]], Any]:
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    full = ["/".join(part for part in (prefix, name) if part) or ROOT for name in names]
    return list(zip(full, [leaf for _, leaf in leaves], strict=True)), structure


def _is_saved(leaf: Any) -> bool:
    return isinstance(leaf, (bool, int, float, complex, *ARRAYS))


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, ARRAYS) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _scalar_dtype(leaf: Any) -> str:
    return next(name for kind, name in SCALARS if isinstance(leaf, kind))


def _entry(leaf: Any) -> Entry:
    """What the manifest says of a leaf, or what a leaf of `like` asks for (there the key's name is not known)."""
    if not isinstance(leaf, ARRAYS):
        return {"shape": [], "dtype": f"python {_scalar_dtype(leaf)}", "key": None}
    name = str(jax.random.key_impl(leaf)) if _is_key(leaf) and isinstance(leaf, jax.Array) else None
    return {"shape": list(leaf.shape), "dtype": leaf.dtype.name, "key": name}


def _encode(array: np.ndarray) -> np.ndarray:
    if array.dtype.hasobject or not (array.dtype == bool or jnp.issubdtype(array.dtype, np.number)):
        raise TypeError(f"dtype {array.dtype}")
    array = np.asarray(array, array.dtype.newbyteorder("="), order="C")
    if array.dtype.name in NATIVE:
        return array
    return array[..., None].view(f"uint{8 * min(array.dtype.itemsize, 8)}")


def _decode(tensor: np.ndarray, entry: Entry) -> np.ndarray:
    dtype = np.dtype(entry["dtype"].removeprefix("python "))
    return tensor if tensor.dtype == dtype else tensor.view(dtype).reshape(entry["shape"])


def _load(directory: Path, like: Tree, prefix: str, index: tuple[int, ...]) -> Tree:
    stored = check(directory)["paths"]
    named, structure = _named(like, prefix)
    wanted = {path for path, leaf in named if _is_saved(leaf)}
    held = {path for path in stored if not prefix or path == prefix or path.startswith(prefix + "/")}
    _compare_paths(directory, wanted, held, list(stored))
    for path, leaf in named:
        if path in wanted:
            _compare_entry(f"checkpoint {directory}: {path!r}", _entry(leaf), stored[path], index)
    with safetensors.safe_open(directory / TENSORS, framework="numpy") as file:
        leaves = [
            _leaf(file.get_tensor(path), leaf, stored[path], index) if path in wanted else leaf for path, leaf in named
        ]
    return jax.tree_util.tree_unflatten(structure, leaves)


def _leaf(tensor: np.ndarray, like: Any, entry: Entry, index: tuple[int, ...]) -> Any:
    if entry["key"] is not None:
        return jax.random.wrap_key_data(jnp.asarray(tensor[index]), impl=entry["key"])
    array = _decode(tensor, entry)
    return np.array(array[index]) if isinstance(like, ARRAYS) else array.item()


def _compare_paths(directory: Path, wanted: set[str], held: set[str], stored: list[str]) -> None:
    missing, extra = sorted(wanted - held), sorted(held - wanted)
    problems = []
    for path in missing[:3]:
        close = difflib.get_close_matches(path, extra or stored, n=1, cutoff=0.3)
        problems.append(f"it lacks {path!r}" + (f" (nearest: {close[0]!r})" if close else ""))
    problems += [f"it has {path!r} which was not expected" for path in extra[:3]]
    more = max(len(missing) - 3, 0) + max(len(extra) - 3, 0)
    if problems:
        tail = f", and {more} more differ" if more else ""
        raise CheckpointError(f"checkpoint {directory} does not fit: {', '.join(problems)}{tail}: {FIT}")


def _compare_entry(where: str, wanted: Entry, stored: Entry, index: tuple[int, ...]) -> None:
    axes = stored["shape"][: len(index)]
    if len(axes) < len(index) or any(not 0 <= at < size for at, size in zip(index, axes, strict=True)):
        raise CheckpointError(f"{where} has leading axes {axes}, asked for entry {list(index)}: count from 0")
    shape = stored["shape"][len(index) :]
    if wanted["dtype"] != stored["dtype"]:
        raise CheckpointError(f"{where} has dtype {stored['dtype']}, expected {wanted['dtype']}: {FIT}")
    if wanted["shape"] != shape:
        raise CheckpointError(f"{where} has shape {shape}, expected {wanted['shape']}: {FIT}")


def _publish(partial: Path, directory: Path, digest: str) -> None:
    """Give a finished checkpoint its name without writing over anything."""
    if directory.exists():
        try:
            same = check(directory)["digest"] == digest
        except CheckpointError:
            os.rename(directory, _aside(directory))
        else:
            if same:
                return
            raise CheckpointError(
                f"checkpoint {directory} exists with another state: resume the run or choose a new one"
            )
    os.rename(partial, directory)
    folder.sync_directory(directory.parent)


def _aside(directory: Path) -> Path:
    number = 1
    while (path := directory.with_name(f"{directory.name}.damaged-{number}")).exists():
        number += 1
    return path


def _newest_first(checkpoints: Path) -> list[Path]:
    if not checkpoints.is_dir():
        return []
    return sorted(
        (path for path in checkpoints.iterdir() if re.fullmatch(r"\d{12,}", path.name)), key=step_of, reverse=True
    )


def _remove(path: Path) -> None:
    """Remove a leftover of ours, file or directory, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _seal(manifest: dict[str, Any]) -> str:
    """The digest of a manifest's own content, so that a flipped digit in it is noticed as well."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
