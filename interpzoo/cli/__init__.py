"""The command line: ``interpzoo list``, ``show``, ``interpolate``, ``train``, ``evaluate`` and ``plugins``.

What takes time to import is imported by the command that needs it, inside its function: help and listing stay instant.
"""

from __future__ import annotations

import sys
from typing import NoReturn

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it."""


def main() -> NoReturn:
    """Run the command line on `sys.argv` and end the process: 0, 2 after an error of the user's, 130 after Ctrl-C."""
    try:
        from interpzoo.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
