"""Interplay: multi-agent learning on one set of parts, from matrix games to teams of language models.

    >>> import interplay
    >>> run = interplay.train("mappo", "spread", steps=1_000_000, seeds=3)  # doctest: +SKIP
    >>> interplay.load(run.path).evaluate()["return"]  # doctest: +SKIP

Names are imported when first used, so that `import interplay` is instant.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interplay.core.errors import DivergenceError, GameError, InputError
    from interplay.report.page import comparison_page as compare
    from interplay.report.page import run_page as report
    from interplay.run.saved import load
    from interplay.run.training import resume, train

__version__ = "0.1.0"
__all__ = ["DivergenceError", "GameError", "InputError", "compare", "load", "report", "resume", "train"]
_PLACES = {
    "train": ("run.training", "train"),
    "resume": ("run.training", "resume"),
    "load": ("run.saved", "load"),
    "report": ("report.page", "run_page"),
    "compare": ("report.page", "comparison_page"),
    "InputError": ("core.errors", "InputError"),
    "GameError": ("core.errors", "GameError"),
    "DivergenceError": ("core.errors", "DivergenceError"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'interplay' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(f"interplay.{module}"), attribute)
