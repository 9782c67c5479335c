"""Claims of papers, run again: reproduce."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from interplay.commands.words import DONE, Outcome, command, interval, table


@command
def reproduce(
    claim: Annotated[str, tyro.conf.Positional],
    /,
    *,
    scale: str = "small",
    out: Path | None = None,
    fresh: bool = False,
    workers: int = 1,
    on: str = "",
    json: bool = False,
) -> Outcome:
    """Run what a paper claims again, beside the controls that could explain it away; says what came of it.

    Args:
        claim: a name that `interplay list claims` shows, or MODULE:NAME of your own
        scale: smoke (seconds, only that it runs), small (what we report) or paper (the original's size)
        out: the campaign's folder; runs/claims/CLAIM-SCALE where none is given
        fresh: begin anew instead of going on where the last campaign stopped
        workers: processes that run arms side by side
        on: ray, to run arms on the cluster at RAY_ADDRESS
        json: print one JSON object at the end
    """
    from interplay.bench import campaign, page, results
    from interplay.run import devices

    if workers == 1 and not on:
        devices.prepare()
    told = lambda done, all_, name: print(f"{claim}  {done} of {all_}: {name}", file=sys.stderr, flush=True)
    ran = campaign.run(claim, scale, out=out, fresh=fresh, workers=workers, on=on, watch=told)
    found = campaign.result(ran)
    report = page.write(ran)
    results.write(found)
    if json:
        return 0, {**found, "report": report}
    both = {**found["arms"], **found["controls"]}
    table(
        claim, ("arm", found["unit"], "seeds"), ((name, interval(one), str(one["seeds"])) for name, one in both.items())
    )
    print(*found["because"], sep="\n")
    print(f"{found['summary']}: open {report}")
    return DONE
