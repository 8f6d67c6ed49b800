"""Pursuit of a target size or PSNR: plans that come ever nearer to it, by all the ways that tiles have."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fdegc.codec.allotting import Allotment, TileChoices, allot_bytes, allot_error
from fdegc.codec.correction import choose_correction
from fdegc.codec.judging import Judge
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.search import Aim, Trials, aim, decibels
from fdegc.codec.workers import Workers
from fdegc.errors import TargetMissed
from fdegc.format.header import StreamHeader
from fdegc.format.kinds import UnitKind
from fdegc.options import Target, TargetKind
from fdegc.text import decibels_text

#: Share of a size that may be left over, and dB by which a PSNR may be surpassed, if tiles have no latents.
_SIZE_LEFT, _PSNR_LEFT = 0.01, 0.1
#: How often a scene is coded at most, since what was foreseen of it is not right to the last byte or digit.
_MOST = 5
#: What is aimed at then, to be on the right side: more than what was missing, or less of what was left.
_SHORT, _OVER, _GROWTH = 1.5, 0.9, 2.5
#: And at least so much, dB and share of a size.
_FURTHER = 0.005, 0.001
#: Bytes of a tile that may come on top of what looks at it say.
_FRAME = 8
#: Looks at JPEG 2000 may say as many times the bytes that it takes for an error.
_DOUBT = 1.2


class Pursuit:
    """Plans of a compression with a target, of which each knows what came of the one before.

    The first is latents of the quality that reaches it, or, where none does, every tile in the way and size
    that serve the scene best.  Those after it heed which tiles are better off without latents.

    Parameters
    ----------
    trials : Trials
    target : Target
    workers : Workers

    Attributes
    ----------
    note : str
        A sentence where the target lies beyond what latents, or any way, can reach.
    """

    def __init__(self, trials: Trials, target: Target, workers: Workers) -> None:
        self._trials, self._workers = trials, workers
        self._judge = Judge(trials.plan.header, trials.plan.options)
        limit = target.bytes(trials.plan.info.pixels)
        self._limit, self._wanted = limit, target.value
        # What is aimed at so that the target is reached, and what was found.
        self._goal = target.value if limit is None else float(limit)
        self._found = Aim(0, 0.0)
        # Of every tile, where the target lies beyond what latents reach.
        self._choices: dict[int, TileChoices] = {}
        # Whether no tile had latents, none of which was bound to a quality.
        self._plain = False
        self._coded, self._misses, self._end = 0, 0, False
        self._last = trials.plan
        # The plan whose file reaches the target best, its note, and what is small of it: what is left of a
        # size, or the bytes that have a PSNR.
        self._sound: tuple[EncodingPlan, str, float] | None = None
        # Whether tiles that took few bytes without loss, or with a bound, were tried as JPEG 2000.
        self._doubted = False
        self.note = ""

    def first(self) -> EncodingPlan:
        """Plan to begin with.

        Raises
        ------
        TargetMissed
            If nothing reaches the target.
        Cancelled, OutputFailed
        """
        self._found = self._aim()
        self._correct()
        self._last = self._planned()
        return self._last

    def next(
        self, header: StreamHeader, payload: int, psnr: float | None, plain: Mapping[int, UnitKind]
    ) -> EncodingPlan | None:
        """Plan that comes nearer to the target than the last one did; None if its file is the one.

        Parameters
        ----------
        header : StreamHeader
            Of the file that came of the last one.
        payload : int
            Bytes of all its payloads.
        psnr : float or None
            In dB; None if it was not measured.
        plain : mapping
            Tiles that were kept without latents, and the kinds of their payloads.

        Raises
        ------
        TargetMissed
            If nothing reaches the target.
        Cancelled, OutputFailed
        """
        if not self._trials.plan.checks or (self._limit is None and psnr is None):
            return None
        self._coded += 1
        size = self._trials.file_bytes(payload, header)
        reached = float(size) if self._limit is not None else psnr or 0.0
        left = reached - self._wanted if self._limit is None else self._limit - reached
        if left < 0 and self._sound is None:
            if self._coded < _MOST:
                return self._nearer(left)
            raise TargetMissed(self._out_of_reach(reached))
        if self._sound is not None and self._last is self._sound[0]:
            return None
        most = _PSNR_LEFT if self._limit is None else _SIZE_LEFT * self._limit
        rank = float(size) if self._limit is None else left
        if left < 0 or (self._sound is not None and rank >= self._sound[2]):
            if self._coded < _MOST - 1 and math.isfinite(left) and not 0 <= left <= most:
                return self._nearer(left)
            assert self._sound is not None
            self._last, self.note, _ = self._sound
            return self._last
        self._sound = self._last, self.note, rank
        if left <= most or self._coded >= _MOST - 1 or self._end or not plain:
            return None
        if self._limit is None and self._choices and not self._doubted:
            self._doubted = True
            if self._doubt():
                self._last = self._planned()
                return self._last
        if self._choices or self._trials.choices:
            loose = any(share.kind == UnitKind.PACKETS for share in self._last.shares.values())
            return self._nearer(left) if loose and math.isfinite(left) else None
        self._plain = header.whole and not self._trials.plan.special
        free = [index for index in sorted(plain) if index not in self._trials.plan.special]
        found = self._trials.survey(self._found.steps, free, self._judge, False)
        self._trials.choices = {index: choice.like(plain[index]) for index, choice in found.items()}
        return self._nearer(0.0)

    def _nearer(self, left: float) -> EncodingPlan:
        """Plan for a goal that heeds what was left of the target, or what is missing."""
        self._misses += left < 0
        # Further each time, for sizes and errors of JPEG 2000 may change by leaps.
        more = _GROWTH ** max(self._misses - 1, 0)
        change = _SHORT * more * left if left < 0 else _OVER * left
        if left and self._limit is not None:
            self._goal += change - _FURTHER[1] * more * self._limit
        elif left:
            self._goal += _FURTHER[0] * more - change
        if not self._choices:
            self._found = self._aim(self._found.steps)
        self._last = self._planned()
        return self._last

    def _doubt(self) -> bool:
        """Whether tiles that are to be without loss, or with a bound, may take less as JPEG 2000 after all.

        They have that choice alone from then on.
        """
        allowed = 10 ** (-self._goal / 10)
        doubted = {}
        for index, share in self._last.shares.items():
            choice = self._choices[index]
            if (
                share.kind == UnitKind.EXACT
                and choice.size_for(choice.count * allowed) <= _DOUBT * share.size
            ):
                doubted[index] = choice.like(UnitKind.PACKETS)
        self._choices = {**self._choices, **doubted}
        return bool(doubted)

    def _aim(self, start: int | None = None) -> Aim:
        kind = TargetKind.PSNR if self._limit is None else TargetKind.SIZE
        return aim(self._trials, Target(kind, max(self._goal, 1e-9)), start)

    def _correct(self) -> None:
        """Correction of what the network gives at the quality found, if the target can be reached with it."""
        plan, found = self._trials.plan, self._found
        correction = choose_correction(plan.at(found.steps), self._workers)
        if correction is None:
            return
        self._trials.plan = plan.corrected(correction)
        self._found = self._aim(found.steps)
        if self._found.missed and not found.missed:
            self._trials.plan, self._found = plan, found

    def _planned(self) -> EncodingPlan:
        """Plan of the quality that was found, or of what lies beyond it."""
        found, trials = self._found, self._trials
        plan = trials.plan.at(found.steps)
        if not self._choices:
            allotment = self._allotment(trials.choices) if self._plain else None
            if allotment is not None:
                # What a step of quality changes is too much where it means nothing else.
                self._end = allotment.end
                return plan.allotted(allotment.shares)
            if not found.end:
                return plan.allotted(trials.shares(found.steps))
            if not plan.checks:
                if found.missed:
                    raise TargetMissed(self._out_of_reach(found.reached))
                self.note = self._beyond()
                return plan
            # Up to more bytes where the best file is not good enough, or smaller than it may be.
            up = found.missed == (self._limit is None)
            choices = trials.survey(found.steps, trials.tiles, self._judge, up)
            if self._is_between(choices):
                return trials.plan.at(self._found.steps).allotted(trials.shares(self._found.steps))
            self._choices = choices
        allotment = self._allotment(self._choices)
        if allotment is None:
            raise TargetMissed(self._out_of_reach(self._reach()))
        self._end = allotment.end
        self.note = self._beyond(allotment)
        return plan.allotted(allotment.shares, beyond=True)

    def _is_between(self, choices: Mapping[int, TileChoices]) -> bool:
        """Whether the target is no longer beyond latents without the tiles that have better ways."""
        trials, found = self._trials, self._found
        plain = {index: kind for index, choice in choices.items() if (kind := choice.better()) is not None}
        if len(plain) == len(choices):  # at other qualities latents may be better than JPEG 2000
            plain = {index: kind for index, kind in plain.items() if kind == UnitKind.EXACT}
        if plain and not trials.choices and len(plain) < len(choices):
            trials.choices = {index: choices[index].like(kind) for index, kind in plain.items()}
            self._found = self._aim(found.steps)
            if not self._found.end:
                return True
            self._found = found
        trials.choices = {}
        return False

    def _allotment(self, choices: Mapping[int, TileChoices]) -> Allotment | None:
        """What tiles get; None where no choice of theirs reaches the target."""
        if self._limit is None:
            count = sum(choice.count for choice in choices.values())
            return allot_error(choices, count * 10 ** (-self._goal / 10))
        goal, header = round(self._goal), self._trials.plan.header
        # As long as some have latents, all pay for them.
        found = allot_bytes(choices, self._left_by(header, goal))
        if found is not None and any(share.kind == UnitKind.LATENTS for share in found.shares.values()):
            return found
        without = {index: choice.without(UnitKind.LATENTS) for index, choice in choices.items()}
        if all(choice.kinds for choice in without.values()):
            return allot_bytes(without, self._left_by(header.without_network, goal))
        return found

    def _reach(self) -> float:
        """PSNR of the best choices, or bytes of the smallest."""
        choices = self._choices.values()
        if self._limit is None:
            count = sum(choice.count for choice in choices)
            return decibels(sum(float(choice.plain.min()) for choice in choices), count)
        least = sum(round(float(choice.sizes.min())) + _FRAME for choice in choices)
        return self._trials.file_bytes(least, self._trials.plan.header.without_network)

    def _left_by(self, header: StreamHeader, size: int) -> int:
        """Bytes that payloads may take of a file with a header and of a size."""
        # An overview takes a share of the payload, and so the most of what there may be.
        return size - (self._trials.file_bytes(size, header) - size)

    def _out_of_reach(self, reached: float) -> str:
        if self._limit is None:
            return (
                f"A PSNR of {self._wanted:.2f} dB is out of reach: the best quality gives "
                f"{decibels_text(reached)}. Nothing was written; ask for that, or for no loss (--lossless)."
            )
        return (
            f"A file of {self._limit} bytes is out of reach: the smallest one has {reached:.0f} bytes. "
            "Nothing was written; ask for as many, or for a part of the scene (--window)."
        )

    def _beyond(self, allotment: Allotment | None = None) -> str:
        """Sentence on a target beyond what latents reach, and on what tiles are instead."""
        found = self._found
        best = found.missed == (self._limit is None)
        quality = "best" if best else "lowest"
        if self._limit is None:
            said = f"the network's {quality} quality gives {decibels_text(found.reached)}"
        else:
            said = f"the network's {quality} quality needs {found.reached:.0f} of {self._limit} bytes"
        if allotment is None:
            return said
        ways = []
        shares = allotment.shares.values()
        for how, wanted in (
            ("as JPEG 2000", lambda share: share.kind == UnitKind.PACKETS),
            ("without loss", lambda share: share.kind == UnitKind.EXACT and not share.bound),
            ("with a bound on errors", lambda share: share.kind == UnitKind.EXACT and share.bound > 0),
        ):
            count = sum(map(wanted, shares))
            ways += [f"{count} {how}"] if count else []
        said += f"; of {len(allotment.shares)} tiles {' and '.join(ways)}" if ways else ""
        if not allotment.end:
            return said
        return said + ("; none has fewer bytes" if self._limit is None else "; more bytes serve none")
