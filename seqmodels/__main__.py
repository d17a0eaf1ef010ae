"""`python -m seqmodels` is the command `seqmodels`."""

import sys

from seqmodels.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
