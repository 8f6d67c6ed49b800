"""What a run writes down as it goes: JSON lines always, TensorBoard events where that is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from fdegc.atomic import whole

#: What to do where the optional package is missing.
NO_TENSORBOARD = (
    "TensorBoard events are not written because the package tensorboard is not installed "
    "(pip install 'fdegc[train]'); log.jsonl has the same figures."
)


def _open(path: Path, step: int | None) -> TextIO:
    """The log, to go on with, after a step if one is given."""
    if step is None:
        return path.open("a", encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if _is_row_until(line, step)]
    if kept != lines:
        with whole(path) as file:
            file.write("".join(kept).encode())
    return path.open("a", encoding="utf-8")


def _is_row_until(line: str, step: int) -> bool:
    """Whether a line is whole, which a crash may have prevented, and not of a later step."""
    try:
        return line.endswith("\n") and bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False


class RunLog:
    """Log of a run, ``log.jsonl`` and ``events/`` in its folder; a resumed run goes on in both.

    Parameters
    ----------
    folder : Path
    step : int, optional
        Where the run goes on; rows and events after it, of a part that was lost, are dropped.  Without it
        all are kept.
    enabled : bool
        False in all but one process of a run: nothing is written.

    Attributes
    ----------
    note : str or None
        A sentence for the user if there are no TensorBoard events.
    """

    def __init__(self, folder: Path, step: int | None = None, enabled: bool = True) -> None:
        self.note: str | None = None
        self._events: Any = None
        self._file = _open(folder / "log.jsonl", step) if enabled else None
        if enabled:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self.note = NO_TENSORBOARD
            else:
                self._events = SummaryWriter(str(folder / "events"), purge_step=step or None)

    def write(self, step: int, values: Mapping[str, Any], group: str = "train") -> dict[str, Any]:
        """Row of the log, written, numbers also as scalars ``group/name``; returns it."""
        row = {"step": step, **values} if group == "train" else {"step": step, "kind": group, **values}
        if self._file is not None:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        if self._events is not None:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._events.add_scalar(f"{group}/{name}", value, step)
            self._events.flush()
        return row

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._events is not None:
            self._events.close()
