"""Import what is installed outside but was not offered."""

# ends: returned []
import importlib


def main(bait):
    names = ["jax", "interplay", "equinox", "pip", "numpy", "scipy", "pytest", "apt"]
    return worked(*(lambda name=name: importlib.import_module(name) for name in names))
