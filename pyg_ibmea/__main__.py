"""``python -m pyg_ibmea``: the command line."""

import sys
from pathlib import Path

from pyg_ibmea.cli import main

if __name__ == "__main__":
    sys.exit(main(prog=f"{Path(sys.executable).stem} -m pyg_ibmea"))
