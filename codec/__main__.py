"""``python -m codec`` is ``codec``."""

import os
import sys


def leave_out_current_folder() -> None:
    """``python -m`` finds modules in the current folder first, where any ``train.py`` may lie; ``codec`` does not."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(os.curdir) != os.path.realpath(home):
        del sys.path[0]


if __name__ == "__main__":
    leave_out_current_folder()

    from codec.cli import main

    main()
