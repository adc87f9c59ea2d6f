"""`python -m imtornado`: the same as the command `imtornado`."""

import sys

from imtornado.cli import main

if __name__ == "__main__":
    sys.exit(main())
