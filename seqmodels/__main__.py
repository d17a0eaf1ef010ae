"""`python -m seqmodels` is the command `seqmodels`."""

import os
import sys


def leave_working_folder() -> None:
    """Take back what `-m` did: the working folder first on the path, where any file shadows a library's module.

    Where the package itself lies there, as in a checkout, the folder stays, last. One in PYTHONPATH stays as it is.
    """
    try:
        working = os.getcwd()
    except OSError:  # removed
        working = ""
    if getattr(sys.flags, "safe_path", False) or sys.path[:1] not in ([""], [working]):
        return
    here = sys.path.pop(0)
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if working and os.path.realpath(working) == package:
        sys.path.append(here)


if __name__ == "__main__":
    leave_working_folder()
    from seqmodels.cli.main import main

    sys.exit(main())
