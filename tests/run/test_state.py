"""Checkpoints: bit-exact round trips, and what is left after kills, full disks and flipped bytes."""

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from interplay.core.errors import InputError
from interplay.run import folder, state
from interplay.run.state import (
    CheckpointError,
    check,
    checkpoint_path,
    find_good,
    latest,
    prune,
    restore,
    restore_path,
    save,
)

DTYPES = (
    *(
        "bool",
        "int2",
        "uint2",
        "int4",
        "uint4",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
    ),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e8m0fnu", "float4_e2m1fn"),
)


class Memory(NamedTuple):
    hidden: jax.Array
    step: int


class Network(eqx.Module):
    weight: jax.Array
    width: int = eqx.field(static=True)
    activation: object = jax.nn.relu


def bits(tree) -> list[tuple[str, tuple, bytes]]:
    """Everything that can differ between two trees of arrays, without any rounding."""
    arrays = [jax.random.key_data(x) if state._is_key(x) else x for x in jax.tree.leaves(tree) if not callable(x)]
    return [(np.asarray(x).dtype.name, np.shape(x), np.asarray(x).tobytes()) for x in arrays]


def small(value: float = 1.0) -> dict:
    return {"weight": np.full((3, 2), value, np.float32), "step": 7}


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (2, 3, 4)])
def test_every_dtype_comes_back_bit_for_bit(tmp_path, name, shape):
    dtype = jnp.dtype(name)
    noise = np.random.default_rng(0).integers(0, 256, size=(*shape, dtype.itemsize), dtype=np.uint8)
    width = {"bool": 1, "int2": 3, "uint2": 3, "int4": 15, "uint4": 15, "float4_e2m1fn": 15}.get(name, 255)
    array = (noise & width).view(dtype).reshape(shape)
    back = restore(save(tmp_path / "000000000001", {"x": array}, {}), {"x": jax.ShapeDtypeStruct(shape, dtype)})
    assert isinstance(back["x"], np.ndarray)
    assert bits(back) == bits({"x": array})


def test_strange_layouts_and_special_numbers_come_back(tmp_path):
    special = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324])
    tree = {
        "special": special,
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(10)[::3],
        "swapped": np.arange(3, dtype=">f4"),
        "generic": np.float32(2.5),
    }
    back = restore(save(tmp_path / "000000000001", tree, {}), tree)
    assert back["special"].tobytes() == special.tobytes()
    for name in ("fortran", "strided", "swapped"):
        np.testing.assert_array_equal(back[name], tree[name])
    assert back["generic"].dtype == np.float32
    assert back["generic"].shape == ()


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_typed_keys_draw_the_same_numbers(tmp_path, impl):
    tree = {"one": jax.random.key(3, impl=impl), "many": jax.random.split(jax.random.key(4, impl=impl), (2, 3))}
    directory = save(tmp_path / "000000000001", tree, {})
    assert check(directory)["paths"]["many"] == {"shape": [2, 3], "dtype": str(tree["one"].dtype), "key": impl}
    for like in (tree, jax.eval_shape(lambda: tree)):
        back = restore(directory, like)
        assert jax.random.key_impl(back["one"]) == impl
        assert bits(back) == bits(tree)
    np.testing.assert_array_equal(
        jax.random.normal(back["many"][1, 2], (4,)), jax.random.normal(tree["many"][1, 2], (4,))
    )


def test_python_numbers_stay_python_numbers(tmp_path):
    tree = {"flag": True, "count": 2**62, "rate": 0.1, "phase": 1 - 2j, "none": None}
    back = restore(save(tmp_path / "000000000001", tree, {}), tree)
    assert back == tree
    assert [type(back[name]) for name in ("flag", "count", "rate", "phase")] == [bool, int, float, complex]


def test_modules_tuples_and_optimizer_states_keep_their_structure(tmp_path):
    networks = (Network(jnp.ones((2, 3)), 3), eqx.nn.MLP(2, 1, 4, 2, key=jax.random.key(0)))
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
    arrays = eqx.filter(networks, eqx.is_array)
    tree = {
        "play": Memory(jnp.arange(4.0), 5),
        "team": networks,
        "optimizer": optimizer.init(arrays),
    }
    directory = save(tmp_path / "000000000001", tree, {"step": 1})
    paths = check(directory)["paths"]
    assert {"play/hidden", "play/step", "team/0/weight", "team/1/layers/2/bias", "optimizer/1/0/mu/0/weight"} <= set(
        paths
    )
    assert not [path for path in paths if "activation" in path or "width" in path]
    like = eqx.filter_eval_shape(lambda: tree) | {"play": Memory(jnp.zeros(4), 0)}
    back = restore(directory, like)
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    assert bits(back) == bits(tree)
    assert back["team"][0].activation is jax.nn.relu
    x = jnp.array([0.3, -2.0])
    np.testing.assert_array_equal(back["team"][1](x), networks[1](x))


def test_one_agent_is_restored_by_path_and_index(tmp_path):
    members = {
        "weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "key": jax.random.split(jax.random.key(0), (2, 3)),
    }
    members["half"] = members["weight"].astype(jnp.bfloat16)
    directory = save(tmp_path / "000000000001", {"team": {"members": members}, "other": np.zeros(9)}, {})
    one = jax.tree.map(lambda x: x[1, 2], members)
    assert bits(restore_path(directory, one, "team/members", (1, 2))) == bits(one)
    assert bits(restore_path(directory, members["weight"], "team/members/weight")) == bits(members["weight"])
    with pytest.raises(CheckpointError, match="leading axes"):
        restore_path(directory, one, "team/members", (1, 3))
    with pytest.raises(CheckpointError, match=r"'team/agents/weight'.*nearest: 'team/members/weight'"):
        restore_path(directory, one, "team/agents", (1, 2))


def test_a_tree_that_is_one_leaf_has_a_name(tmp_path):
    directory = save(tmp_path / "000000000001", np.arange(3), {})
    assert list(check(directory)["paths"]) == ["value"]
    np.testing.assert_array_equal(restore(directory, np.zeros(3, int)), np.arange(3))


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"weight": np.zeros((3, 3), np.float32), "step": 0}, r"'weight' has shape \[3, 2\], expected \[3, 3\]"),
        ({"weight": np.zeros((3, 2), np.float64), "step": 0}, "'weight' has dtype float32, expected float64"),
        (
            {"weight": np.zeros((3, 2), np.float32), "step": 0.0},
            "'step' has dtype python int64, expected python float64",
        ),
        (
            {"weights": np.zeros((3, 2), np.float32), "step": 0},
            r"lacks 'weights' \(nearest: 'weight'\), it has 'weight'",
        ),
        ({"weight": np.zeros((3, 2), np.float32)}, "it has 'step' which was not expected"),
        ({"weight": jax.random.key(0), "step": 0}, "'weight' has dtype float32, expected key<fry>"),
    ],
)
def test_a_tree_that_does_not_fit_is_named(tmp_path, like, message):
    directory = save(tmp_path / "000000000001", small(), {})
    with pytest.raises(CheckpointError, match=message) as caught:
        restore(directory, like)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": {"b": 1}, "a/b": 2}, "'a/b'"),
        ({"a": 2**70}, "'a' cannot be saved"),
        ({"a": np.array(["text"])}, "'a' cannot be saved"),
        ({"a": np.array([object()])}, "'a' cannot be saved"),
    ],
)
def test_what_cannot_be_saved_is_named_and_leaves_nothing(tmp_path, tree, message):
    with pytest.raises(CheckpointError, match=message):
        save(tmp_path / "checkpoints" / "000000000001", tree, {})
    assert not list(tmp_path.iterdir())


def test_the_manifest_holds_what_a_reader_needs(tmp_path):
    directory = save(checkpoint_path(tmp_path, 12), small(), {"seconds": np.float32(1.5), "bad": float("nan")})
    manifest = json.loads((directory / "manifest.json").read_text())
    assert directory.name == "000000000012"
    assert state.step_of(directory) == 12
    assert sorted(entry.name for entry in directory.iterdir()) == ["manifest.json", "state.safetensors"]
    assert manifest["format"] == 1
    assert manifest["about"] == {"seconds": 1.5, "bad": None}
    assert manifest["paths"]["weight"] == {"shape": [3, 2], "dtype": "float32", "key": None}


def test_every_flipped_byte_is_noticed(tmp_path):
    directory = save(tmp_path / "000000000001", small(), {"step": 1})
    for name in ("manifest.json", "state.safetensors"):
        original = (directory / name).read_bytes()
        for place in range(len(original)):
            flip(directory / name, place)
            if name == "state.safetensors" or not _says_the_same(directory / name, original):
                with pytest.raises(CheckpointError):
                    restore(directory, small())
            (directory / name).write_bytes(original)
    assert restore(directory, small())["step"] == 7


def _says_the_same(path: Path, original: bytes) -> bool:
    """A space that became another space is no damage."""
    try:
        return json.loads(path.read_bytes()) == json.loads(original)
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["manifest.json", "state.safetensors"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "remove"])
def test_a_damaged_checkpoint_is_skipped_with_a_note(tmp_path, name, harm):
    good = save(checkpoint_path(tmp_path, 1), small(1.0), {})
    bad = save(checkpoint_path(tmp_path, 2), small(2.0), {})
    file = bad / name
    if harm == "flip":
        flip(file, file.stat().st_size // 2)
    elif harm == "remove":
        file.unlink()
    else:
        os.truncate(file, 0 if harm == "empty" else file.stat().st_size - 1 - file.stat().st_size // 4)
    path, notes = find_good(tmp_path)
    assert path == good == latest(tmp_path)
    assert len(notes) == 1
    assert str(bad) in notes[0]
    assert "\n" not in notes[0]


def test_without_a_good_checkpoint_there_is_a_line(tmp_path):
    assert find_good(tmp_path / "nowhere") == (None, [])
    save(checkpoint_path(tmp_path, 1), small(), {})
    flip(checkpoint_path(tmp_path, 1) / "state.safetensors", 9)
    path, notes = find_good(tmp_path)
    assert path is None
    assert len(notes) == 1
    with pytest.raises(CheckpointError, match=r"no checkpoint to use.*damaged"):
        latest(tmp_path)


def test_another_format_is_refused(tmp_path):
    directory = save(checkpoint_path(tmp_path, 1), small(), {})
    manifest = json.loads((directory / "manifest.json").read_text()) | {"format": 2}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="has format 2, this version reads 1"):
        restore(directory, small())


def test_a_good_checkpoint_is_never_written_over(tmp_path):
    directory = save(checkpoint_path(tmp_path, 1), small(1.0), {})
    before = (directory / "manifest.json").read_bytes()
    assert save(directory, small(1.0), {"again": True}) == directory
    with pytest.raises(CheckpointError, match="exists with another state"):
        save(directory, small(2.0), {})
    assert (directory / "manifest.json").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["000000000001"]


def test_a_damaged_checkpoint_is_set_aside_when_its_step_comes_again(tmp_path):
    directory = checkpoint_path(tmp_path, 1)
    for _ in range(2):
        save(directory, small(1.0), {})
        flip(directory / "state.safetensors", 9)
    save(directory, small(2.0), {})
    assert restore(directory, small())["weight"][0, 0] == 2.0
    names = sorted(entry.name for entry in tmp_path.iterdir())
    assert names == ["000000000001", "000000000001.damaged-1", "000000000001.damaged-2"]
    assert find_good(tmp_path) == (directory, [])


def test_prune_keeps_the_newest_and_the_last_good_one(tmp_path):
    for step in range(1, 6):
        save(checkpoint_path(tmp_path, step), small(step), {})
    (tmp_path / ".000000000009.partial").mkdir()
    (tmp_path / "notes.txt").write_text("of a person")
    assert prune(tmp_path, 3) == [checkpoint_path(tmp_path, 2), checkpoint_path(tmp_path, 1)]
    for step in (4, 5):
        flip(checkpoint_path(tmp_path, step) / "state.safetensors", 9)
    assert prune(tmp_path, 1) == [checkpoint_path(tmp_path, 4)]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["000000000003", "000000000005", "notes.txt"]
    assert find_good(tmp_path)[0] == checkpoint_path(tmp_path, 3)
    with pytest.raises(InputError, match="at least 1"):
        prune(tmp_path, 0)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir"])
def test_a_disk_that_refuses_gives_one_line_and_leaves_the_rest(tmp_path, monkeypatch, code, call):
    good = save(checkpoint_path(tmp_path, 1), small(), {})

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(
            CheckpointError, match=r"cannot write checkpoint .*earlier checkpoints are untouched"
        ) as caught:
            save(checkpoint_path(tmp_path, 2), small(2.0), {})
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InputError)
    assert [entry.name for entry in tmp_path.iterdir()] == [good.name]
    assert find_good(tmp_path) == (good, [])


def test_a_write_that_stops_half_way_leaves_no_partial(tmp_path, monkeypatch):
    def half(path: Path, data: bytes) -> None:
        path.write_bytes(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder, "write_flushed", half)
    with pytest.raises(CheckpointError, match="the disk is full: free some space"):
        save(checkpoint_path(tmp_path, 1), small(), {})
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder_gives_a_line(tmp_path):
    (tmp_path / "checkpoints").write_text("not a folder")
    with pytest.raises(CheckpointError, match="cannot write checkpoint"):
        save(checkpoint_path(tmp_path / "checkpoints", 1), small(), {})


def run_script(text: str, *arguments: str, before: tuple[str, ...] = ()) -> dict:
    command = [*before, sys.executable, "-W", "ignore", "-c", textwrap.dedent(text), *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


REAL_DISK = """
    import json, subprocess, sys
    from pathlib import Path
    import numpy as np
    from interplay.run.state import CheckpointError, checkpoint_path, find_good, save
    root = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", root], check=True)
    lines = []
    def attempt(step, size):
        try:
            save(checkpoint_path(root, step), {"x": np.zeros(size, np.uint8)}, {})
        except CheckpointError as error:
            lines.append(str(error))
    attempt(1, 100_000)
    attempt(2, 400_000)
    subprocess.run(["mount", "-o", "remount,ro", root], check=True)
    attempt(3, 10)
    print(json.dumps({"lines": lines, "left": [p.name for p in root.iterdir()], "good": find_good(root)[0].name}))
"""


def test_a_really_full_and_a_really_read_only_disk(tmp_path):
    namespace = ("unshare", "--map-root-user", "--mount")
    probe = [*namespace, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    answer = run_script(REAL_DISK, str(tmp_path), before=namespace)
    full, read_only = answer["lines"]
    assert "the disk is full: free some space" in full
    assert "the file system is read-only" in read_only
    assert answer["left"] == [answer["good"]] == ["000000000001"]


KILLS = """
    import json, os, random, signal, sys, time
    from pathlib import Path
    import numpy as np
    from interplay.run.state import checkpoint_path, find_good, prune, restore, save, step_of
    root, kills = Path(sys.argv[1]), int(sys.argv[2])
    random.seed(int(sys.argv[3]))
    size = 300_000
    like = {"x": np.zeros(size), "step": 0}
    def saves(step):
        while True:
            step += 1
            save(checkpoint_path(root, step), {"x": np.full(size, float(step)), "step": step}, {"step": step})
            prune(root, 2)
    reached, partials = 0, 0
    for kill in range(kills):
        child = os.fork()
        if child == 0:
            saves(reached)
        time.sleep(random.uniform(0.005, 0.08))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        partials += len(list(root.glob(".*.partial")))
        good, notes = find_good(root)
        assert not notes, notes
        if good is None:
            assert reached == 0
            continue
        back = restore(good, like)
        assert step_of(good) == back["step"] >= reached, (good, reached)
        assert np.all(back["x"] == back["step"])
        reached = back["step"]
    print(json.dumps({"reached": reached, "partials": partials}))
"""


@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_kill_9_in_the_middle_of_saves_never_costs_a_finished_checkpoint(tmp_path, kills):
    answer = run_script(KILLS, str(tmp_path / "checkpoints"), str(kills), "0")
    assert answer["reached"] > 0
    assert answer["partials"] > 0  # some kills did fall into the middle of a save


EVERY_CALL = """
    import builtins, json, os, sys
    from pathlib import Path
    import numpy as np
    from interplay.run.state import checkpoint_path, find_good, prune, restore, save, step_of
    root = Path(sys.argv[1])
    def tree(step):
        return {"x": np.full(10, float(step)), "step": step}
    def die_at(count):
        left = [count]
        def guard(function):
            def guarded(*a, **k):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return function(*a, **k)
            return guarded
        for name in ("fsync", "rename", "mkdir", "open", "rmdir", "unlink"):
            setattr(os, name, guard(getattr(os, name)))
        builtins.open = guard(builtins.open)
    save(checkpoint_path(root, 1), tree(1), {})
    deaths, step = 0, 1
    for count in range(200):
        child = os.fork()
        if child == 0:
            die_at(count)
            save(checkpoint_path(root, step + 1), tree(step + 1), {})
            prune(root, 1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        good, notes = find_good(root)
        assert not notes, notes
        assert step_of(good) in (step, step + 1)
        assert np.all(restore(good, tree(0))["x"] == step_of(good))
        step = step_of(good)
        if code == 0:
            break
        deaths += 1
    print(json.dumps({"deaths": deaths, "left": sorted(p.name for p in root.iterdir())}))
"""


def test_dying_before_any_single_call_of_a_save_leaves_the_old_or_the_new(tmp_path):
    answer = run_script(EVERY_CALL, str(tmp_path / "checkpoints"))
    assert answer["deaths"] > 10
    assert len(answer["left"]) == 1
