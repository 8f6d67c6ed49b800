"""Jobs in words: what goes on, what could not be done."""

from __future__ import annotations

from fdegc_gui.jobs import Job
from fdegc_gui.jobs.coding import Compress, Decode, LoadEngine, Measure
from fdegc_gui.jobs.export import ExportReconstruction, ExportStream
from fdegc_gui.jobs.scene import FindPeak, LoadDetail, LoadOverview, OpenScene
from fdegc_gui.models.activity import Activity

#: Which of several activities is shown; those without a rank never are.
_RANKS = {
    Compress: 5,
    Decode: 5,
    ExportStream: 4,
    ExportReconstruction: 4,
    LoadEngine: 3,
    OpenScene: 3,
    Measure: 2,
    LoadOverview: 1,
}


def activity_of(job: Job, cancellable: tuple[type[Job], ...]) -> Activity:
    """Put a job into words."""
    rank = _RANKS.get(type(job), 0)
    titles = {
        Compress: f"Compressing at rate {getattr(job, 'rate', '')}",
        Decode: "Decoding",
        Measure: f"Measuring rate {getattr(job, 'rate', '')}",
        LoadEngine: "Loading the compression engine…",
        OpenScene: "Opening…",
        LoadOverview: "Reading the whole scene…",
        ExportStream: "Saving the compressed file…",
        ExportReconstruction: "Saving the reconstruction…",
    }
    return Activity(titles.get(type(job), ""), cancellable=isinstance(job, cancellable), rank=rank)


def what_failed(job: Job) -> str:
    """Say what could not be done."""
    if isinstance(job, Compress):
        return f"The scene could not be compressed at rate {job.rate}."
    if isinstance(job, Decode):
        return f"{job.path.name} could not be decoded."
    if isinstance(job, ExportStream | ExportReconstruction):
        return f"{job.target.name} could not be saved."
    if isinstance(job, LoadDetail | LoadOverview | FindPeak):
        return f"{job.path.name} could not be read at full resolution."
    return "Something could not be done."
