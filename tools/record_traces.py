"""Record the requests of real programs for the cache task: src/interplay/text/systems/traces.safetensors.

    python tools/record_traces.py            # record all anew
    python tools/record_traces.py --look     # say what the bundled traces are like

Needs Linux with strace, git and gcc. Four kinds of programs run on inputs that this file makes, twice with other inputs:

    database    SQLite without a cache of its own: pages that look-ups, ranges, joins and scans of two tables read
    compiler    gcc over C files: sources and headers that it opens
    imports     short Python programs one after the other: modules and libraries that they open
    versions    git over a small history: objects and other files that log, diff, blame and status open

Only the order of requests is kept: things are numbered as they first come up, so that no path, name or content is bundled.
Recording again gives other numbers of the same kind: they depend on the versions of these programs.
"""

import argparse
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from interplay.text.systems import cache

LONGEST = 4000  # requests of one recording
OPENED = re.compile(r'openat\([^,]+, "([^"]+)", ([A-Z_|]+).*\) = \d+')
READ = re.compile(r"pread64\(\d+.*, (\d+), (\d+)\) = \d+")
PAGE, PEOPLE = 4096, 6000
MODULES = """
    json csv sqlite3 asyncio http.client email.message unittest argparse logging decimal fractions statistics
    urllib.request xml.etree.ElementTree zipfile tarfile subprocess threading multiprocessing ctypes pickle shelve difflib
    textwrap pprint random hashlib secrets tempfile shutil glob doctest ast dis inspect tokenize configparser html.parser
    numpy
"""
HEADERS = """
    stdio.h stdlib.h string.h math.h time.h unistd.h errno.h ctype.h signal.h pthread.h sys/types.h sys/stat.h
    sys/socket.h netinet/in.h arpa/inet.h fcntl.h limits.h stdint.h stdbool.h setjmp.h wchar.h locale.h dirent.h
    semaphore.h poll.h termios.h regex.h fenv.h complex.h netdb.h
"""
QUERIES = (
    ("SELECT name FROM people WHERE id = ?", 12),
    ("SELECT count(*) FROM orders WHERE person = ?", 8),
    ("SELECT name, amount FROM people JOIN orders ON person = people.id WHERE people.id = ?", 4),
    ("SELECT sum(amount) FROM orders WHERE rowid BETWEEN ? AND ?1 + 300", 2),
    ("SELECT avg(length(name)) FROM people WHERE id <> ?", 0.3),
)
DATABASE = """
import json, sqlite3, sys
link = sqlite3.connect(sys.argv[1], isolation_level=None)
link.execute("PRAGMA cache_size = 0")
link.execute("PRAGMA mmap_size = 0")
link.execute("BEGIN")
for query, key in json.loads(sys.argv[2]):
    link.execute(query, (key,)).fetchall()
"""


def traced(calls: str, command: Sequence[str], where: Path) -> list[str]:
    """The lines that strace writes of a command and its children."""
    told = where / "strace"
    line = ["strace", "-f", "-qq", "-s", "1000", "-e", f"trace={calls}", "-o", str(told), *command]
    subprocess.run(line, cwd=where, check=True, stdout=subprocess.DEVNULL)
    return told.read_text(errors="replace").splitlines()


def files(lines: Iterable[str]) -> list[str]:
    """Files that were opened, in order; directories and what is no file of a disk are left out."""
    opened = (match for match in map(OPENED.search, lines) if match and "O_DIRECTORY" not in match[2])
    return [match[1] for match in opened if not match[1].startswith(("/proc", "/dev", "/sys"))]


def database(rng: np.random.Generator, where: Path) -> list[str]:
    link = sqlite3.connect(where / "data")
    link.execute(f"PRAGMA page_size = {PAGE}")
    link.executescript(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name); CREATE TABLE orders (person INTEGER, amount REAL);"
    )
    letters = lambda: rng.integers(97, 123, int(rng.integers(20, 120))).astype(np.uint8).tobytes().decode()
    link.executemany("INSERT INTO people VALUES (?, ?)", [(key, letters()) for key in range(PEOPLE)])
    orders = [(int(rng.integers(PEOPLE)), float(rng.random())) for _ in range(2 * PEOPLE)]
    link.executemany("INSERT INTO orders VALUES (?, ?)", orders)
    link.execute("CREATE INDEX by_person ON orders (person)")
    link.commit()
    link.close()
    often = np.array([weight for _, weight in QUERIES], float)
    kinds = rng.choice(len(QUERIES), size=900, p=often / often.sum())
    asked = [(QUERIES[kind][0], int(rng.zipf(1.3) * 37 % PEOPLE)) for kind in kinds]
    lines = traced("pread64", [sys.executable, "-I", "-c", DATABASE, "data", json.dumps(asked)], where)
    reads = (match for match in map(READ.search, lines) if match)
    return [match[2] for match in reads if int(match[1]) == PAGE]


def compiler(rng: np.random.Generator, where: Path) -> list[str]:
    headers, found = HEADERS.split(), list[str]()
    for number in range(60):
        own = rng.choice(headers[:10], 3, replace=False).tolist() + rng.choice(headers, 4, replace=False).tolist()
        (where / f"own{number % 7}.h").write_text(f"#include <{rng.choice(headers)}>\nint shared{number % 7}(int);\n")
        text = "".join(f"#include <{name}>\n" for name in own) + f'#include "own{rng.integers(min(number, 6) + 1)}.h"\n'
        (where / f"file{number}.c").write_text(text + f"int value{number}(void) {{ return {number}; }}\n")
        found += files(traced("openat", ["gcc", "-fsyntax-only", f"file{number}.c"], where))
    return [name for name in found if name.endswith((".h", ".c"))]


def imports(rng: np.random.Generator, where: Path) -> list[str]:
    modules = MODULES.split()
    weight = 1 / np.arange(1.0, len(modules) + 1)
    order, found = rng.permutation(modules), []
    for _ in range(40):
        some = rng.choice(order, size=int(rng.integers(1, 4)), replace=False, p=weight / weight.sum())
        found += files(traced("openat", [sys.executable, "-I", "-c", f"import {', '.join(some)}"], where))
    return found


def versions(rng: np.random.Generator, where: Path) -> list[str]:
    home = where / "work"
    home.mkdir()
    git = ["git", "-C", str(home), "-c", "user.name=a", "-c", "user.email=a", "-c", "gc.auto=0"]
    run = lambda *words: subprocess.run([*git, *words], check=True, stdout=subprocess.DEVNULL)
    run("init", "-q")
    for commit in range(25):
        for name in rng.integers(12, size=2):
            with (home / f"part{name}").open("a") as file:
                file.write(f"{rng.integers(1 << 30)}\n")
        run("add", "-A")
        run("commit", "-qm", f"change {commit}")
    changed = [each.name for each in home.glob("part*")]
    asks = (
        lambda: ["status", "--short"],
        lambda: ["log", "--oneline", f"-{rng.integers(2, 12)}"],
        lambda: ["diff", f"HEAD~{rng.integers(1, 9)}", "HEAD"],
        lambda: ["blame", str(rng.choice(changed))],
        lambda: ["show", "--stat", f"HEAD~{rng.integers(0, 9)}"],
    )
    found: list[str] = []
    for ask in rng.choice(len(asks), size=80):
        found += files(traced("openat", [*git, *asks[ask]()], where))
    return [name for name in found if "/.git/" in name or name.startswith(".git/")]


PROGRAMS: dict[str, Callable[[np.random.Generator, Path], list[str]]] = {
    each.__name__: each for each in (database, compiler, imports, versions)
}


def numbered(names: Sequence[str]) -> np.ndarray:
    """Things as whole numbers, in the order in which they first come up."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names[:LONGEST]], np.uint16)


def record() -> None:
    """Record all kinds of programs, twice each."""
    found = {}
    for kind, (name, program) in enumerate(PROGRAMS.items()):
        for part in cache.PARTS:
            with tempfile.TemporaryDirectory() as where:
                rng = np.random.default_rng([kind, len(part)])
                found[f"{name} {part}"] = numbered(program(rng, Path(where)))
    save_file(found, cache.RECORDED)
    cache.RECORDED.chmod(0o644)  # it comes out readable by its owner alone


def look() -> None:
    """A line for each recording: requests, different things, and how soon things come again."""
    for name, one in sorted(load_file(cache.RECORDED).items()):
        last: dict[int, int] = {}
        gaps = []
        for at, thing in enumerate(one.tolist()):
            if thing in last:
                gaps.append(at - last[thing])
            last[thing] = at
        again = np.quantile(gaps, (0.25, 0.5, 0.75)).astype(int)
        print(f"{name}: {len(one):,} requests of {len(last):,} things, again after {again} (quartiles)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--look", action="store_true", help="only say what the bundled traces are like")
    if not parser.parse_args().look:
        record()
    look()
