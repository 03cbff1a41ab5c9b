"""`python -m zoo` is `ganzoo`."""

__keras_later__ = True  # a flag chooses the backend first

import pathlib
import sys

if __name__ == "__main__":
    # Python puts this file's folder first; its file names would hide other packages.
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from zoo.cli.ganzoo import main

if __name__ == "__main__":
    main()
