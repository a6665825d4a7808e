"""The network of a training run as a static graph (`to_static: true`)."""

from __future__ import annotations

import paddle
from paddle import nn

from ppdet.distillation.network import Student, StudentOutputs
from ppdet.modeling import PicoDet
from ppdet.modeling.structures import HeadOutputs


class _Network(nn.Layer):
    def __init__(self, model: PicoDet | Student):
        super().__init__()
        self.model = model

    def forward(self, image: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        found: tuple[paddle.Tensor, ...] = self._recorded(image)
        return found

    # Nothing in the network depends on the data's values: running it once records the whole graph, and without the
    # mark Paddle rewrites the source of everything that is called from here.
    @paddle.jit.not_to_static
    def _recorded(self, image: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        outputs = self.model(image)
        if isinstance(outputs, StudentOutputs):
            return outputs.head.cls, outputs.head.reg, *outputs.head.one_to_one, outputs.features
        return outputs.cls, outputs.reg, *outputs.one_to_one


class StaticNetwork(nn.Layer):
    """The network of `model` as a graph, which is recorded once for each batch shape; it can be trained."""

    def __init__(self, model: PicoDet | Student):
        super().__init__()
        self.network = paddle.jit.to_static(_Network(model), full_graph=True)

    def forward(self, image: paddle.Tensor) -> HeadOutputs | StudentOutputs:
        """Returns what the recorded layer does for image [B, 3, H, W] float32, normalized."""
        cls, reg, *others = self.network(image)
        model, (height, width) = self.network.model, image.shape[2:]
        features = others.pop() if isinstance(model, Student) else None
        head = (model.model if isinstance(model, Student) else model).head
        outputs = HeadOutputs(cls, reg, head.grid(height, width), tuple(others))
        return outputs if features is None else StudentOutputs(outputs, features)
