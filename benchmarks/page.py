"""Results put into a page between two marks, so that nobody copies numbers by hand."""

from pathlib import Path


def put(name: str, text: str, page: Path) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- end of NAME -->`. Raises `ValueError` where a mark is missing."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = page.read_text().partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no marks {start} and {end}: put them where the results belong")
    page.write_text(f"{before}{start}\n{text}\n{end}{after}")
