"""One ledger of what learning spends. The runner counts; methods only say what a step costs."""

from typing import NamedTuple


class Budget(NamedTuple):
    """Amounts spent: environment steps (one moves all agents of one game once), gradient steps, tokens, model calls, seconds,
    candidates of a search over text that were scored, and money, in the currency of a model's prices."""

    steps: int = 0
    updates: int = 0
    tokens: int = 0
    calls: int = 0
    seconds: float = 0.0
    evaluations: int = 0
    money: float = 0.0

    def times(self, count: int) -> "Budget":
        """This budget spent `count` times."""
        return Budget._make(amount * count for amount in self)

    def plus(self, other: "Budget") -> "Budget":
        return Budget._make(mine + theirs for mine, theirs in zip(self, other, strict=True))
