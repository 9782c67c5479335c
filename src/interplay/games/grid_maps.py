"""Maps of the grid social dilemmas, drawn with characters: an orchard (gathering, harvest) and a river bank (cleanup).

`@` wall, `A` where apples grow, `P` where agents begin, `H` river that begins polluted, `R` river that begins clean,
`.` floor. The large ones have the sizes and counts of the published maps (16 × 38 with 155 places of apples and 20 of
agents; 25 × 18 with 119 cells of river, 56 of them polluted, and 103 places of apples), on ground of our own.
"""

from interplay.core.errors import InputError, at_least
from interplay.games.grid import Rules, Window

ORCHARD = """
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@P....A....A....P.....P....A.P......P@
@.A..AAA..AAA....A........AAA......A.@
@AAA..A.P..AA...AAA...A....A......AAA@
@.A..A.....AAA.A.A..AAAA..P...A...AA.@
@...AAA.A...APAAA..AAAA......AAA.AAA.@
@..A.A.AAA.....A...AA..A....A.A...A..@
@.AAA...A.A.......AAA.AAA..AAA..P....@
@..AP....AAA......PAA..AP...A........@
@......A.PA........AAA...............@
@.....AAA.A..A......A.........A...A..@
@......AAAAAAAA.A...A......APAAA.AAA.@
@.....AAAAAAPA.AAA.AAA....AAA.A...A..@
@....AAAA.AAA...AP..A......A.......P.@
@P....AP...A...........P.............@
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
"""
GARDEN = """
@@@@@@@@@@@@@@
@P.....P....P@
@....A.......@
@...AAA.A....@
@....A.AAA...@
@.....P.A..A.@
@.A....A..AAA@
@AAA..AAA..A.@
@PA....A...P.@
@@@@@@@@@@@@@@
"""
BANK = """
@@@@@@@@@@@@@@@@@@
@RRRRR.......AAAA@
@HHHHH.......AAAA@
@HHHHH.......AAAA@
@RRRRR...P...AAAA@
@RRRRR.......AAAA@
@HHHHH..P....AAAA@
@HHHHH......AAAAA@
@RRRRR...P..AAAAA@
@RRRRRR.....AAAAA@
@RRRRRR..P..AAAAA@
@HHHHHH.....AAAAA@
@RRRRRR..P..AAAAA@
@RRRRR......AAAAA@
@HHHHH...P..AAAAA@
@HHHHH......AAAAA@
@RRRRR..P...AAAAA@
@RRRRR......AAAAA@
@HHHHH...P...AAAA@
@HHHHH.......AAAA@
@RRRRR..P....AAAA@
@RRRRR.......AAAA@
@HHHHH...P...AAAA@
@HHHHH.......AAAA@
@@@@@@@@@@@@@@@@@@
"""
POND = """
@@@@@@@@@@@@@
@RRR....AAAA@
@HHH.P..AAAA@
@HHH....AAAA@
@RRR.P..AAAA@
@RRR....AAAA@
@HHH.P..AAAA@
@RRR....AAAA@
@HHH.P..AAAA@
@RRR....AAAA@
@@@@@@@@@@@@@
"""


def rows(text: str, known: dict[str, str]) -> tuple[str, ...]:
    """The lines of the map called `text`, or of `text` itself where it is drawn out on several lines.

    Raises `InputError` for unknown names and characters, lines of unequal length and maps without a wall all around.

        >>> rows("garden", {"garden": GARDEN})[1]
        '@P.....P....P@'
    """
    if "\n" not in text and text not in known:
        raise InputError(f"no map is called '{text}': give {' or '.join(known)}, or draw one on lines of their own")
    lines = tuple(line.strip() for line in known.get(text, text).strip().splitlines())
    if len({len(line) for line in lines}) > 1:
        raise InputError("the lines of the map differ in length: fill them up with '.'")
    if strange := sorted(set("".join(lines)) - set("@APHR.")):
        raise InputError(f"the map has '{strange[0]}' in it: use @ (wall), A (apple), P (agent), H, R (river) and .")
    if set(lines[0] + lines[-1]) != {"@"} or any(line[0] + line[-1] != "@@" for line in lines):
        raise InputError("the map is open at its edge: put a wall of @ all around it")
    return lines


def settings(
    game: str, lines: tuple[str, ...], beam: tuple[int, int], hits: int, timeout: int, window: tuple[int, int, int],
    blocking: bool,
) -> tuple[Rules, Window]:  # fmt: skip
    """The rules of a map, and what agents see of it; raises `InputError` for numbers out of range."""
    (length, width), (ahead, behind, side) = beam, window
    at_least(game, beam_length=(length, 1), beam_width=(width, 1), hits=(hits, 1), timeout=(timeout, 0))
    at_least(game, cells_ahead=(ahead, 1), cells_behind=(behind, 0), cells_aside=(side, 0))
    if width % 2 == 0:
        raise InputError(f"{game} got a beam {width} cells wide: give an odd number, it has a middle")
    return Rules(lines, length, width, hits, timeout, blocking), Window(ahead, behind, side)
