"""The command line; its commands are listed in `interpzoo.cli.app`.

Modules that take long to import are imported inside the functions that need them, so that help and listing are instant.
"""

import sys
from typing import NamedTuple, NoReturn

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""


def main() -> NoReturn:
    """Run the command in `sys.argv` and exit: 0 on success, 2 after an error of the user's, 130 after Ctrl-C.

    SIGTERM and SIGHUP do the same as Ctrl-C, so that what is half written is removed.
    """
    try:
        from interpzoo.cli.allocator import keep_freed_memory
        from interpzoo.cli.app import ignored, run
        from interpzoo.cli.streams import keep_output, open_all
        from interpzoo.signals import ended_like_ctrl_c

        keep_freed_memory()
        open_all()
        keep_output()
        sys.unraisablehook = ignored
        with ended_like_ctrl_c():
            code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    # Python runs text to make a dataclass, as imports do. If that is interrupted, Python later ends by SIGINT whatever
    # the code, unless it has run other text since, as it does to make a named tuple.
    NamedTuple("_Ended", [])
    sys.exit(code)
