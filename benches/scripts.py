"""The programs of this directory, for each other: their names are no names of modules."""
import importlib.machinery
import importlib.util
from pathlib import Path


def script(name):
    """What the program NAME defines."""
    module = name.replace("-", "_")
    loader = importlib.machinery.SourceFileLoader(module, str(Path(__file__).resolve().parent / name))
    loaded = importlib.util.module_from_spec(importlib.util.spec_from_loader(module, loader))
    loader.exec_module(loaded)
    return loaded
