"""Every Python block of the documentation runs, page by page, in the order in which it is printed."""

import re
from pathlib import Path

import pytest

import interplay

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.M | re.S)
SMALLER = {"300_000": "8_192", "100_000": "8_192", "1_000_000": "8_192", "episodes=64": "episodes=4"}
SETTING = """
from interplay.objectives import gradient, value
exec(PLAY)
"""
BATCH = """
from interplay.core.trajectory import Batch
from interplay.credit import returns
batch = Batch(trajectory, returns.standardized(returns.gae(0.99, 0.95))(trajectory))
loss = gradient.clipped(0.2)
"""


def blocks(page: Path) -> list[str]:
    """The Python blocks of a page, made small enough for a test; included files are tested beside this one."""
    found = [block for block in BLOCK.findall(page.read_text()) if "--8<--" not in block]
    for large, small in SMALLER.items():
        found = [block.replace(large, small) for block in found]
    return found


@pytest.fixture(scope="module")
def beside_a_run(tmp_path_factory):
    """A folder with the run that the pages speak of, and the examples."""
    place = tmp_path_factory.mktemp("pages")
    interplay.train("mappo", "spread", steps=8_192, seeds=1, width=16, out=place / "runs" / "mappo-spread-0001")
    (place / "examples").symlink_to(ROOT / "examples")
    return place


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(page, beside_a_run, monkeypatch):
    monkeypatch.chdir(beside_a_run)
    monkeypatch.syspath_prepend(str(beside_a_run))
    names = {"PLAY": "\n".join(blocks(ROOT / "docs" / "play.md"))}
    exec(SETTING + BATCH, names)
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), names)
