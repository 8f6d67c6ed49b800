"""Costs of compressing the open scene: estimates, corrected by what is finished and by experience."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from fdegc.options import EFFORT_STEPS
from fdegc.results import Estimate
from fdegc_gui.models.forecast import between, forecasts, kind_of
from fdegc_gui.models.result import Result
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import EXACT, FREE


def forecasts_of(session: Session, effort: int | None = None) -> dict[int, Estimate]:
    """Forecasts of what is not finished, by row: from estimates, finished results, and the pace so far.

    Sizes at an effort begin as those without one, which are known better as a rule.

    Parameters
    ----------
    session : Session
    effort : int, optional
        That which is asked for by default.
    """
    effort = session.effort if effort is None else effort
    points = _points(session)
    if session.scene is None or not points:
        return {EXACT: session.estimates[EXACT]} if EXACT in session.estimates else {}
    done = _finished(session, 0)
    wanted = {*points, *done, *_finished(session, effort), session.quality}
    expected = _corrected(session, {quality: between(points, quality) for quality in wanted}, done, 0)
    if effort:
        plain = {
            quality: dataclasses.replace(between(points, quality), bytes=size)
            for quality, size in {**{q: one.bytes for q, one in expected.items()}, **done}.items()
        }
        done = _finished(session, effort)
        refined = {quality: refined_estimate(session, one, effort) for quality, one in plain.items()}
        expected = _corrected(session, refined, done, effort)
    found = {row: expected[row] for row in session.estimates if row in expected}
    quality = session.quality
    if quality in expected:
        found[FREE] = expected[quality]
    elif quality in done:  # at a rate point, say
        one = refined_estimate(session, between(points, quality), effort)
        found[FREE] = dataclasses.replace(one, bytes=done[quality])
    if EXACT in session.estimates:
        found[EXACT] = session.estimates[EXACT]
    return found


def refined_estimate(session: Session, estimate: Estimate, effort: int) -> Estimate:
    """Estimate at an effort for the open scene, from that without one."""
    if not effort or session.scene is None:
        return estimate
    from fdegc.weights import with_refinement

    return with_refinement(estimate, session.scene.info, EFFORT_STEPS[effort])


def learn_pace(session: Session, result: Result) -> None:
    """Experience from a finished result, unless an earlier run had done a part of it.

    Before estimates are refined nobody knows how fast this machine is: then it waits until they are.
    """
    if not session.refined:
        session.untimed.append(result)
        return
    points, encode = _points(session), result.encode
    if (
        result.key != EXACT  # which says nothing of the network's pace
        and session.scene is not None
        and points
        and encode is not None
        and not encode.resumed_tiles
    ):
        spent = encode.encode_seconds + encode.reconstruct_seconds
        expected = refined_estimate(session, between(points, result.quality), result.effort).seconds
        kind = kind_of(session.scene.info, session.device, result.effort)
        session.pace.learn(kind, expected, spent)
        session.estimates_changed.emit()


def refine(session: Session, estimates: Mapping[int, Estimate]) -> None:
    """Estimates that were refined by trying the network on the open scene, and what was finished before."""
    session.set_estimates(estimates)
    waiting, session.untimed = session.untimed, []
    for result in waiting:
        if session.holds(result):
            learn_pace(session, result)


def _points(session: Session) -> dict[float, Estimate]:
    """Estimates without an effort by quality.

    A coding without the network is estimated by coding parts of the scene so; no pace is learnt of it.
    """
    return {float(row): one for row, one in session.estimates.items() if row != EXACT}


def _finished(session: Session, effort: int) -> dict[float, int]:
    """Bytes of the results at an effort, with the cut that is asked for, by quality."""
    return {
        round(result.quality, 2): result.bytes
        for result in session.results.values()
        if result.encode is not None
        and result.bound is None
        and (result.effort, result.cut) == (effort, session.cut)
    }


def _corrected(
    session: Session, estimates: dict[float, Estimate], finished: dict[float, int], effort: int
) -> dict[float, Estimate]:
    """Estimates by quality that agree with the finished ones and with the pace at an effort."""
    assert session.scene is not None
    info, device = session.scene.info, session.device
    # What is nearest to it tells most: refinement takes its steps at any effort, and stops early at some.
    nearest = sorted(range(1, len(EFFORT_STEPS)), key=lambda other: abs(other - effort)) if effort else []
    kinds = [kind_of(info, device, other) for other in (*nearest, 0)]
    pace = session.pace
    seconds = {quality: pace.seconds(kinds[0], one.seconds, *kinds[1:]) for quality, one in estimates.items()}
    return forecasts(estimates, finished, seconds)
