"""What terminals and pipes need: safe characters, column widths, and a quiet end."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from chatbot.errors import ChatbotError

# Control characters, which terminals obey; lone surrogates, which cannot be encoded; and invisible
# characters that reorder or hide their neighbours.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


def make_visible(text: str) -> str:
    """Replaces every character that a terminal might obey by U+FFFD, line ends too."""
    return UNSAFE.sub("\ufffd", text)


def count_columns(text: str) -> int:
    """Counts the columns of a text of `make_visible` on a terminal, two for a wide character."""
    from wcwidth import wcwidth

    return sum(map(wcwidth, text))


def pad_columns(text: str, width: int) -> str:
    """Pads a text with blanks to a width in columns; a longer one stays as it is."""
    return text + " " * (width - count_columns(text))


def is_terminal(descriptor: int) -> bool:
    """Tells whether a file descriptor is open on a terminal."""
    return os.isatty(descriptor)


class _PatientFile(io.FileIO):
    """A file that drops what cannot be written: to a closed pipe or a full disk."""

    def write(self, content: Any) -> int:
        """Writes, or drops; returns the number of bytes."""
        try:
            return super().write(content)
        except OSError:
            return len(content)


def settle_streams() -> None:
    """Keeps a program running when nobody reads its standard error.

    Closed standard descriptors are led to /dev/null, lest a file opened later gets their number and
    what is written to standard error.
    """
    for descriptor, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)
    if not isinstance(getattr(sys.stderr, "buffer", None), _PatientFile):
        _drop_failing_errors()


def _drop_failing_errors() -> None:
    """Puts a `_PatientFile` behind `sys.stderr`, unless it has been replaced, as in a notebook."""
    if sys.stderr is not sys.__stderr__:
        return
    stream = io.TextIOWrapper(
        _PatientFile(2, "wb", closefd=False),
        encoding=getattr(sys.stderr, "encoding", "utf-8"),
        errors="backslashreplace",
        write_through=True,
    )
    sys.stderr = sys.__stderr__ = stream  # type: ignore[misc]
    from absl import logging

    handler = logging.get_absl_handler().python_handler  # it keeps what was there at its import
    handler.stream = stream


def write_output(text: str) -> None:
    """Writes a text of `make_visible` to standard output at once, whatever its encoding.

    Raises:
        BrokenPipeError: The reader has gone.
        ChatbotError: It cannot be written, as on a full disk.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    write_bytes(text.encode(encoding, "replace"))


def flush_output() -> None:
    """Flushes standard output; errors as for `write_output`."""
    if sys.stdout is not None:
        write_bytes(b"")


def write_bytes(content: bytes) -> None:
    """Writes bytes to standard output at once; see `write_output`."""
    try:
        sys.stdout.flush()
        if hasattr(sys.stdout, "buffer"):
            rest = memoryview(content)
            while rest:  # an unbuffered file may take only a part
                rest = rest[sys.stdout.buffer.write(rest) :]
        else:  # a notebook's
            sys.stdout.write(content.decode(errors="replace"))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, AttributeError) as error:  # no attributes: it was closed from the start
        drop_output()
        reason = getattr(error, "strerror", None) or "it is closed"
        raise ChatbotError(
            f"standard output cannot be written ({reason}); free space or name another file"
        ) from None


def drop_output() -> None:
    """Leads standard output to /dev/null, so that Python's last flush of it cannot fail."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)


def run_politely(work: Callable[[], int]) -> int:
    """Runs a program's work so that Ctrl-C, SIGTERM and a closed pipe end it without a traceback.

    Returns:
        The exit status: that of `work`, 0 when the reader of the output has gone (as `head` does),
        130 after Ctrl-C and 143 after SIGTERM.
    """
    before = signal.signal(signal.SIGTERM, _end)
    try:
        return work()
    except BrokenPipeError:
        drop_output()
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)
