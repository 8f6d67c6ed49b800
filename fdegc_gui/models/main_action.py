"""Main action: the one thing to do next for what is looked at, in words."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from fdegc_gui.models.result import Result, Saved, SavedKind, State
from fdegc_gui.models.scene import Scene
from fdegc_gui.models.way import Way
from fdegc_gui.text import human_bytes


class Step(enum.Enum):
    """Step that the main action takes."""

    COMPRESS = enum.auto()
    SAVE_STREAM = enum.auto()
    SAVE_IMAGE = enum.auto()


@dataclass(frozen=True)
class MainAction:
    """Main action, as its button says it.

    Attributes
    ----------
    step : Step
    text : str
    enabled : bool
    done : bool
        Whether it has been done already, so that nothing urges to it any more.
    again : str
        What the smaller button beside it says; empty for none.
    saved : str
        What was saved last, in a sentence; empty for nothing.
    """

    step: Step
    text: str
    enabled: bool = True
    done: bool = False
    again: str = ""
    saved: str = ""


def main_action(
    scene: Scene | None,
    result: Result | None,
    way: Way,
    waiting: Way | None = None,
    *,
    unfinished: bool = False,
) -> MainAction:
    """Main action for what is looked at.

    Parameters
    ----------
    scene : Scene or None
    result : Result or None
        What there is of it, or what is being made.
    way : Way
        How it would be compressed.
    waiting : Way or None
        What was asked for and has not begun.
    unfinished : bool
        Whether a cancelled compression has left something to go on from.
    """
    stream = scene is not None and scene.stream is not None
    if result is None or result.state is State.RUNNING:
        if waiting is not None:
            text = "Queued for decoding" if stream else f"Queued: {waiting.name}"
        elif result is not None:
            text = "Decoding…" if stream else f"Compressing {result.way.how}…"
        else:
            begin = "Go on compressing" if unfinished else "Compress"
            text = "Decode" if stream else f"{begin} {way.how}"
        return MainAction(Step.COMPRESS, text, scene is not None and result is None and waiting is None)
    if result.damaged and len(result.damaged) == result.tiles_total:
        return MainAction(Step.SAVE_IMAGE, "Nothing to save", enabled=False)
    kind = SavedKind.IMAGE if stream else SavedKind.STREAM
    done = any(saved.kind is kind for saved in result.saved)
    what = "reconstruction" if stream else "compressed file"
    last = result.saved[-1] if result.saved else None
    return MainAction(
        Step.SAVE_IMAGE if stream else Step.SAVE_STREAM,
        f"Save {what} again…" if done else f"Save {what}…",
        done=done,
        again="" if stream else "Queued" if waiting is not None else "Compress again",
        saved="" if last is None else _saved_words(last),
    )


def _saved_words(saved: Saved) -> str:
    return f"Saved “{saved.path.name}”, {human_bytes(saved.bytes)}. {saved.lost}".rstrip()
