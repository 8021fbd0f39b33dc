"""The one mechanism of long work: tasks, the store that runs share, the runner, the run folder."""

from gossan.runs.folder import RunFolder, file_hash
from gossan.runs.progress import Report
from gossan.runs.runner import Runner
from gossan.runs.scale import Cluster, connected
from gossan.runs.store import Store, StoreCheckpoint
from gossan.runs.tasks import Task, source_hash, task_key, versions
from gossan.runs.work import Failure

__all__ = [
    "Cluster",
    "Failure",
    "Report",
    "RunFolder",
    "Runner",
    "Store",
    "StoreCheckpoint",
    "Task",
    "connected",
    "file_hash",
    "source_hash",
    "task_key",
    "versions",
]
