"""How programs end: one line instead of a traceback, and the exit code.

Uses only the standard library, so that the doctor works where anything else is broken.
"""

import argparse
import contextlib
import errno
import sys

from zoo.errors import UsageError
from zoo.installation import as_typed

# Failures of the file system that the user can fix; others are mistakes in the code.
MENDABLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


@contextlib.contextmanager
def one_line(*mendable):
    """Ends the process for an exception in the block that the user can fix.

    Exit codes: 2 the user can fix it (a UsageError, a full or read-only disk, a class in
    `mendable`): `error: ...` on stderr, no traceback; 130 interrupted. Other exceptions are
    mistakes in the code and keep their traceback.
    """
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in MENDABLE
        if not full and not isinstance(error, (UsageError, *mendable)):
            raise
        print(f"error: {sentence(error)}", file=sys.stderr)
        sys.exit(2)


def sentence(error):
    """Returns an exception as one line."""
    if isinstance(error, OSError):
        name = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{name}"
    return " ".join(str(error).split())


class Parser(argparse.ArgumentParser):
    """A parser of flags that raises UsageError, and whose help says what people type here.

    Args:
        program: str, such as "python -m zoo.doctor".
        doc: str, docstring of the program.
    """

    def __init__(self, program, doc):
        super().__init__(
            prog=as_typed(program),
            description=doc.partition("\n\nExit")[0],
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message):
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")

    def format_help(self):
        return as_typed(super().format_help())
