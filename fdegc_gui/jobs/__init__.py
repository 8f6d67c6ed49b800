"""Work off the GUI thread: frozen jobs, lanes that run them, answers for whoever asked.

The engine lane drives the codec, one job at a time, and is the only place where torch is imported.
The file lane reads scenes and writes exports, so that both work while the engine is busy.
"""

from fdegc_gui.jobs.base import Failure, Job
from fdegc_gui.jobs.lane import Lane
from fdegc_gui.jobs.request import Request, Requests, Watch

__all__ = ["Failure", "Job", "Lane", "Request", "Requests", "Watch"]
