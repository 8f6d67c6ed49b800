"""A process that is a program of ours: how it is started, what it does not import and keeps, how it ends.

Never for a library's user, but for :func:`running`: the others are settings of a whole process.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

#: Objects between two looks at the youngest of them; Python's own is 700.
_COLLECT_EVERY = 20_000
#: Operations on tensors without data, for torch's compiler: a quarter of the time that importing torch takes.
_FOR_COMPILING = "torch._meta_registrations"
#: Numba looks for it so that compiled functions could multiply matrices; none of ours does.
_FOR_PRODUCTS = "scipy.linalg.cython_blas"

#: glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD in bytes: what may lie idle at the end of a thread's heap,
#: and from what size on a block is the system's own (no larger value is taken).
_KEEP = ((-1, 128 << 20), (-3, 32 << 20))


class _Later(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks of every module
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def import_less() -> None:
    """Fewer imports: torch and numba do without what coding never needs.

    For programs that neither compile networks nor work with tensors without data.
    """
    sys.modules.setdefault(_FOR_COMPILING, _Later(_FOR_COMPILING))
    sys.modules.setdefault(_FOR_PRODUCTS, None)  # type: ignore[arg-type]  # an ImportError for who asks


def import_again() -> None:
    """Restored imports of what only numba was not to find, once numba has looked."""
    if sys.modules.get(_FOR_PRODUCTS, sys) is None:
        del sys.modules[_FOR_PRODUCTS]


class _TorchUnlocked(MetaPathFinder):
    """Loader of torch's libraries without Python's lock, right before Python would load them with it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname != "torch._C":
            return
        for folder in path or ():
            library = Path(folder, "lib", "libtorch_python.so")
            if library.exists():
                dlopen = ctypes.CDLL(None).dlopen  # called as any function is: without the lock
                dlopen.restype, dlopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
                dlopen(os.fsencode(library), sys.getdlopenflags())


@contextlib.contextmanager
def other_threads_run() -> Iterator[None]:
    """Context in which importing torch for the first time lets other threads run.

    Python holds its lock while the system loads a library, and torch's take up to half a second to relocate
    (on two busy cores 1.3), in which no window can react.  A library that is loaded already is there at once.
    On Linux; Windows loads torch's libraries without the lock anyway.
    """
    if sys.platform != "linux":
        yield
        return
    finder = _TorchUnlocked()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextlib.contextmanager
def running(module: str, *arguments: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Process of a module of ours, which ends with the context at the latest.

    Parameters
    ----------
    module : str
        As ``python -m`` takes it; found where this process found it.
    arguments : str
    streams
        ``stdin``, ``stdout`` and ``stderr``, as :class:`subprocess.Popen` has them.

    Raises
    ------
    OSError
        If the system starts none.
    """
    import subprocess  # here, not above: every start of the command line would pay for it

    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env={**os.environ, "PYTHONPATH": paths}, **streams
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def collect_less() -> None:
    """Rarer garbage collection, for imports of hundreds of thousands of objects that are never garbage."""
    gc.set_threshold(_COLLECT_EVERY)


def keep_memory() -> None:
    """Allocator setting that keeps what a tile gives back for the next, instead of asking the system anew.

    A tile in the network takes and frees arrays of megabytes hundreds of times.  Each that comes fresh from
    the system costs a page fault every 4 KiB, a tenth of a tile's time, during which other threads wait
    where they want memory too.  Only glibc's allocator is told; others decide for themselves.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            mallopt = ctypes.CDLL(None).mallopt
            for option, size in _KEEP:
                mallopt(option, size)


class QuickExit:
    """Quick end of a process that has an exit code, without taking apart what torch and numba have built up.

    Freeing a million objects one by one, only for the system to take the memory back as a whole, takes
    longer than decoding a small file.  Threads have been waited for by then, and exit handlers that were
    registered later than this have run; what was registered earlier is skipped, so make it the first thing.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.code is None:  # an exception is on its way out, which Python tells better
            return
        with contextlib.suppress(OSError, ValueError):  # Python meets the same, and reports it
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)
