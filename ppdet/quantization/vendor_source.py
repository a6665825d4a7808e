"""Material of INT8 files of vendors' formats: the network, calibration images, and plans by the rules.

The files end with the network, so that integers need not hold boxes; `Detector` decodes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ppdet.data.datasets import Dataset
from ppdet.deploy.backends.base import Feed
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.export.checksum import stored_config
from ppdet.export.image_input import ImageInput
from ppdet.export.resolve import resolved
from ppdet.quantization.calibration import calibration_feeds, require_variety
from ppdet.quantization.equalize import equalized
from ppdet.quantization.exported_network import exported_network, with_export
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Gate, Plan, Rules
from ppdet.quantization.post_training import model_to_write, plan_of_even, post_training_plan
from ppdet.quantization.qat.trained import plan_of_weights
from ppdet.quantization.statistics import Statistics, collect
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session


@dataclass(frozen=True, eq=False)
class Source:
    """A float network and what quantization finds out about it, each once for all formats.

    Attributes:
        session: the run, whose export is the network.
        network: the network, for one image.
        config: its infer_cfg.
        feeds: the calibration images.
        float_depthwise: depthwise convolutions stay in float, in `plan`.
    """

    session: Session
    network: Network
    config: dict[str, Any]
    feeds: Sequence[Feed]
    float_depthwise: bool = False
    _even: dict[Gate, Network] = field(default_factory=dict)

    @classmethod
    def of(
        cls, session: Session, calibration: Dataset, formats: Sequence[str], *, float_depthwise: bool = False
    ) -> Source:
        """Returns the source of a run's INT8 files, calibrated with images.

        Raises:
            UserError: settings do not fit the formats, or the images show no ranges of values.
        """
        ending = ending_with_network(session, formats)
        network = exported_network(ending)
        feeds = calibration_feeds(ending, calibration, FeedBuilder(1, ["image"], ImageInput.of(ending)))
        require_variety(feeds)
        return cls(ending, network, stored_config(network.model), feeds, float_depthwise)

    @property
    def images(self) -> np.ndarray:
        """The calibration images, [N, 3, H, W] float32."""
        return np.concatenate([feed["image"] for feed in self.feeds])

    @property
    def kept_float(self) -> list[str]:
        """The convolutions that stay in float."""
        return [conv.name for conv in self.network.convs.values() if self.float_depthwise and conv.is_depthwise]

    @cached_property
    def statistics(self) -> Statistics:
        """Ranges and sums of the network's values on the images."""
        return collect(self.network, self.feeds, cpu_threads())

    @cached_property
    def trained_plan(self) -> Plan | None:
        """The plan that the weights were trained with; None if they were not trained in INT8."""
        return plan_of_weights(self.session, self.network)

    def plan(self, rules: Rules) -> Plan:
        """Returns the plan of the network by its training in INT8, if that kept these rules, or by the images."""
        plan = self._trained(rules) or post_training_plan(self.network, self.statistics, rules)
        return plan.only(plan.convs.keys() - self.kept_float)

    def even(self, gate: Gate) -> Network:
        """Returns the network with channels of even size, for formats with one scale for an activation."""
        if gate not in self._even:
            self._even[gate] = Network.of(equalized(self.network, self._scales, gate))
        return self._even[gate]

    def even_plan(self, rules: Rules) -> Plan:
        """Returns the plan of the network with even channels, as `plan` does that of the network."""
        if trained := self._trained(rules):
            return model_to_write(self.network, trained)[1]
        even = self.even(rules.gate)
        return plan_of_even(self.network, even, collect(even, self.feeds, cpu_threads()), rules)

    def _trained(self, rules: Rules) -> Plan | None:
        return self.trained_plan if self.trained_plan is not None and self.trained_plan.rules == rules else None

    @cached_property
    def _scales(self) -> Plan:
        return self.trained_plan or self.plan(Rules())


def ending_with_network(session: Session, formats: Sequence[str]) -> Session:
    """Returns the session whose export is an ONNX file that ends with the network, for one image.

    Raises:
        UserError: settings do not fit the formats.
    """
    checked = resolved(with_export(session, format=",".join(formats), post_process=False, layout="flat"))
    return with_export(checked, format="onnx", batch_size=1)
