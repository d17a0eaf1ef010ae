"""Entry point of `python -m seqmodels`, the same as the command `seqmodels`."""

import os
import sys


def leave_working_folder() -> None:
    """Undo the effect of `-m`, which puts the working folder first on the path, where its files shadow libraries.

    If it contains the package, as in a checkout, it is moved to the end. A folder in PYTHONPATH is unchanged.
    """
    try:
        working = os.getcwd()
    except OSError:  # the folder was removed
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
