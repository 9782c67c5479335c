"""Where modules of the user's own are looked for."""

import sys


def look_here() -> None:
    """Find modules beside the shell one types in, as `python -m` would."""
    if "" not in sys.path:
        sys.path.insert(0, "")
