"""How a command ends: exit codes, and one line for every error that we know."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable
from typing import Final

from rr_refine.cli.text import give_up_output, plain, tell
from rr_refine.errors import ConfigError, RefineError
from rr_refine.plain_text import error_words
from rr_refine.redaction import clean

__all__ = ["DONE", "FAILED", "INTERRUPTED", "USAGE", "guarded"]

DONE: Final = 0
FAILED: Final = 1
"""It ran, and failed."""
USAGE: Final = 2
"""A mistake in the command or its settings; nothing ran."""
INTERRUPTED: Final = 130

_LOST: Final = (errno.EBADF, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What writing to a stream raises. That of a file of ours is a StoreError, or names the file."""


def guarded(command: Callable[[], int]) -> int:
    """Run a command; turn what we know how to explain into a line on stderr and an exit code."""
    try:
        code = command()
        sys.stdout.flush()
    except ConfigError as error:
        tell(f"error: {plain(str(error))}")
        return USAGE
    except RefineError as error:
        kind = "" if type(error) is RefineError else f"{error_words(type(error).__name__)}: "
        tell(f"error: {kind}{plain(str(error))}")
        return FAILED
    except KeyboardInterrupt:
        tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        give_up_output()  # its reader is gone
        return FAILED
    except Exception as error:  # noqa: BLE001  what it says is printed whole, but not as it is
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            tell(f"error: {error.strerror}: {plain(str(error.filename)):.80} …")
            return USAGE
        if isinstance(error, OSError) and error.filename is None and error.errno in _LOST:
            give_up_output()
            tell(f"error: the output cannot be written: {error}")
        else:
            tell(*clean(traceback.format_exc()).splitlines())
        return FAILED
    return code
