"""`python -m grounding`: the same as the command `grounding`."""

import sys

from grounding.cli import main

if __name__ == "__main__":
    sys.exit(main())
