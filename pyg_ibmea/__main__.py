"""``python -m pyg_ibmea``: the command line."""

import sys

from pyg_ibmea.cli import main

if __name__ == "__main__":
    sys.exit(main())
