"""Work off the GUI thread: frozen requests, two lanes that run them, answers as signals.

The engine lane drives the codec, one job at a time, and is the only place where torch is imported.
The file lane reads scenes and writes exports, so that both work while the engine is busy.
"""

from fdegc_gui.jobs.base import Failure, Job
from fdegc_gui.jobs.lane import Lane

__all__ = ["Failure", "Job", "Lane"]
