"""``python -m pyg_ibmea.cli``."""

import sys

from pyg_ibmea.cli import main

if __name__ == "__main__":
    sys.exit(main())
