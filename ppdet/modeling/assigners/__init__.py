"""Label assignment: which grid point learns which ground truth. Vectorized over the batch; no host synchronisation."""

from ppdet.modeling.assigners.atss import ATSSAssigner
from ppdet.modeling.assigners.sim_ota import SimOTAAssigner
from ppdet.modeling.assigners.task_aligned import TaskAlignedAssigner

__all__ = ["ATSSAssigner", "SimOTAAssigner", "TaskAlignedAssigner"]
