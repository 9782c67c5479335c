"""HAMMER's claim: messages learned through the listeners' gradients make up for what the listeners do not see.

The controls send something that tells nothing: somebody else's message (which, where all need to hear the same, is as good),
noise, or features nobody has taught. One more arm sees everything itself, which is as far as messages can lead.
"""

from interplay.bench.claim import Claim, Control, Scale, Trained
from interplay.bench.verdict import at_least, better

SPREAD = {"spread": {"message": 4, "discount": 0.97}}
WHOLE = {"spread": "spread"}


def hammer(**settings) -> Trained:
    return Trained("hammer", settings, settings_on=SPREAD)


CLAIM = Claim(
    slug="hammer",
    method="hammer",
    sentence="A central agent's learned messages make up for what local agents do not see.",
    source="Gupta et al., HAMMER (2021), sections 5 and 6",
    paper="figures only: above independent learners and random messages, near a fully central policy, in both domains",
    unit="return in the last tenth of training",
    games={"sum guessing": "sum-guessing", "spread": "limited(game='spread', first=4)"},
    arms={
        "messages": hammer(),
        "no message": Trained("ippo", {"discount": 0.95}, settings_on={"spread": {"discount": 0.97}}, about="ippo"),
        "sees all": Trained("ippo", games=WHOLE, on=("spread",), about="ippo on the game without a limit"),
    },
    controls={
        "shuffled": Control(hammer(ablation="shuffle"), against="messages"),
        "random": Control(hammer(ablation="random"), against="messages"),
        "untaught": Control(hammer(ablation="detach"), against="messages"),
    },
    scales={
        "smoke": Scale(2, 4096, settings={"batch": 16, "length": 16, "passes": 2}),
        "small": Scale(5, 400_000, steps_on={"spread": 1_000_000}),
        "paper": Scale(10, 12_500_000),
    },
    expect=(
        better("messages", "no message", by=5.0, on=("sum guessing",)),
        at_least("messages", -2.0, on=("sum guessing",)),
        better("messages", "no message", on=("spread",)),
    ),
)
