"""One cell of a campaign in a process of its own: `python -m interplay.bench.cell SLUG SCALE FOLDER ARM GAME`."""

import sys
from pathlib import Path

from interplay import claims
from interplay.bench.campaign import Campaign, run_cell
from interplay.run import devices


def main(words: list[str]) -> None:
    slug, scale, path, arm, game = words
    devices.prepare()
    run_cell(Campaign(claims.load(slug), scale, Path(path)), arm, game)


if __name__ == "__main__":
    main(sys.argv[1:])
