"""Game trees: solve."""

from pathlib import Path
from typing import Annotated

import tyro

from interplay.commands.words import DONE, Outcome, command


@command
def solve(
    game: Annotated[str, tyro.conf.Positional],
    /,
    *,
    method: str = "vad-cfr",
    iterations: int = 1000,
    meta: str = "shor",
    epochs: int = 50,
    oracle: str = "exact",
    seed: int = 0,
    simultaneous: bool = False,
    out: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Solve a game tree exactly: regret minimization, or PSRO with a meta-solver.

    Args:
        game: a tree game such as openspiel:leduc_poker(players=3)
        method: cfr cfr-plus lcfr dcfr pcfr-plus dpcfr-plus aod-cfr vad-cfr wop-cfr, psro, mccfr-external or mccfr-outcome for
            trees too large to hold, or a file with a rule
        iterations: of a regret minimizer
        meta: psro's meta-solver: uniform nash alpha-rank regret-matching projected-replicator shor projection-matching
        epochs: of psro
        oracle: psro's responses: exact ones, or learned by a network
        seed: of sampled methods and learned oracles
        simultaneous: update all players at once instead of in turns
        out: a new folder for the strategy, the curve and a report page
        json: print one JSON object
    """
    from interplay.play import sampled
    from interplay.report import solution
    from interplay.run import devices, progress, solving

    devices.prepare(1)
    if out is not None:
        solving.fresh(out)
    with progress.meter(f"{method} on {game}") as watch:
        if method == solving.PSRO:
            found = solving.populate(game, meta, epochs, oracle=oracle, seed=seed, watch=watch)
        elif method in sampled.SAMPLINGS:
            found = solving.sample(game, method, iterations, seed=seed, kept=out is not None, watch=watch)
        else:
            found = solving.solve(game, method, iterations, alternating=not simultaneous, watch=watch)
    about = solving.told(found)
    if out is not None:
        solving.keep(found, out)
        about["report"] = str(solution.write(found, found["tree"], out))
    if json:
        return 0, about
    unit = "epochs" if method == solving.PSRO else "iterations"
    print(f"{game}: {found['players']} players, {found['information_sets']:,} information sets")
    print(f"{method}, {found['iterations']:,} {unit}, {found['iterations_per_second']:,.0f} a second")
    values = ", ".join(f"{value:.4f}" for value in found["values"])
    known = found["exploitability"]
    print(f"exploitability {'unknown' if known is None else format(known, '.3g')}, values {values}")
    if out is not None:
        print(f"strategy and report in {out}")
    return DONE
