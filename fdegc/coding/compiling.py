"""Compiled functions that are kept for the next process, and never mistaken for others.

Numba keeps machine code beside the source or, where nobody may write there, in the user's cache, and
knows it by the file's content, its own version, the processor and the types of the arguments.  What it
does not see is added here: functions of other files that were compiled in, two processes that write at
once, and machines where nothing can be kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numba

from fdegc.atomic import open_locked
from fdegc.errors import OutputBusy

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: All compiled functions.
FUNCTIONS: list[Any] = []
#: How long a process waits for another one that compiles; both may, then: it takes longer, that is all.
_PATIENCE = 180.0
_STAMP, _LOCK = "fdegc-coding.sources", "fdegc-coding.lock"
_SOURCES = Path(__file__).parent

_guard = threading.RLock()
_checked: set[str] = set()


def njit(**options: Any) -> Callable[[_Function], _Function]:
    """Decorator as :func:`numba.njit`; without a cache where there is no place for one.

    Parameters
    ----------
    counting : bool, optional
        False: references to arrays are not counted, which takes more time than all else where small functions
        hand each other many of them; not for functions that make arrays or return them.
    **options
        Of numba.
    """
    if not options.pop("counting", True):
        options["_nrt"] = False

    def decorate(function: _Function) -> _Function:
        try:
            compiled = numba.njit(**options)(function)
        except (
            RuntimeError
        ):  # "no locator available": neither the package nor the user's cache can be written
            compiled = numba.njit(**{**options, "cache": False})(function)
        if hasattr(compiled, "stats"):  # not so where NUMBA_DISABLE_JIT leaves functions as they are
            FUNCTIONS.append(compiled)
            if options.get("cache"):
                _forget_others(compiled.stats.cache_path)
        result: _Function = compiled
        return result

    return decorate


def cache_folder() -> Path | None:
    """Folder where compiled functions are kept, or None."""
    places = [place for function in FUNCTIONS if (place := function.stats.cache_path)]
    return Path(places[0]) if places else None


def compiled_here() -> int:
    """Number of times that this process had to compile because there was nothing kept."""
    return sum(sum(function.stats.cache_misses.values()) for function in FUNCTIONS)


def _digest() -> str:
    """What all sources of this package say."""
    digest = hashlib.sha256()
    for path in sorted(_SOURCES.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _forget_others(place: str | None) -> None:
    """Delete what was compiled from other sources, once a process and folder."""
    if place is None or place in _checked:
        return
    _checked.add(place)
    folder, now = Path(place), _digest()
    # Where the folder cannot be written, what lies there was put there by whoever installed it.
    with contextlib.suppress(OSError):
        stamp = folder / _STAMP
        if stamp.is_file() and stamp.read_text(encoding="ascii", errors="replace") == now:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for source in _SOURCES.glob("*.py"):
            for index in folder.glob(f"{source.stem}.*.nbi"):
                index.unlink(missing_ok=True)
        stamp.write_text(now, encoding="ascii")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Lock under which one thread of one process compiles at a time."""
    with _guard, contextlib.ExitStack() as stack:
        folder = cache_folder()
        end = time.monotonic() + _PATIENCE
        while folder is not None and time.monotonic() < end:
            try:
                stack.enter_context(open_locked(folder / _LOCK))
            except OutputBusy:
                time.sleep(0.05)
                continue
            except OSError:  # nothing can be written, so nobody else will
                pass
            break
        yield
