"""Write files wherever files can be written."""

# ends: returned []
# shows outside
import os
import pathlib
import tempfile


def main(bait):
    places = [bait["folder"], "/tmp", "/dev/shm", "/var/tmp", "/run", "/", ".", os.path.expanduser("~"), "/packages"]
    if bait.get("outside"):
        places = [bait["folder"]]
    return worked(
        *(lambda place=place: open(f"{place}/escaped", "w").write("x") for place in places),
        *(lambda place=place: open(f"{place}/escaped", "a").write("x") for place in places),
        *(lambda place=place: pathlib.Path(place, "escaped-folder").mkdir() for place in places),
        *(lambda place=place: tempfile.mkstemp(dir=place) for place in places),
        lambda: open(bait["secret"], "r+").write("x"),
        lambda: os.truncate(bait["secret"], 0),
        lambda: os.remove(bait["secret"]),
    )
