"""Processes forked from one that has imported the whole package.

Each is there within milliseconds. The modules are named one by one, as the command line
imports most of them only when a command needs them.
"""

import multiprocessing
import pkgutil

import pyg_ibmea

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "numba",
        "sklearn",
        "three_graphs",
        *(
            module.name
            for module in pkgutil.walk_packages(pyg_ibmea.__path__, "pyg_ibmea.")
            if not module.name.endswith("__main__")
        ),
    ]
)
