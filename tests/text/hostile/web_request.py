"""Fetch a page the way programs usually do."""

# ends: returned []
import urllib.request


def main(bait):
    return worked(lambda: urllib.request.urlopen(f"http://127.0.0.1:{bait['port']}/", timeout=1))
