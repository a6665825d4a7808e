"""The parts that belong to a training's model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ppdet.training.model import build_ema
from tests.support.tiny import make_run


def test_the_black_list_of_the_average_knows_published_names(tiny: Path) -> None:
    session = make_run(tiny, "use_ema=true", "ema_black_list=[neck]", "ema_filter_no_grad=true")
    model = session.build_model()
    ema = build_ema(model, session.settings)
    assert ema
    ema.update()
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    for parameter in model.parameters():
        parameter.set_value(parameter + 1)
    ema.update()
    for name, value in ema.averaged().items():
        changed = model.state_dict()[name].numpy()
        if name.startswith("neck"):
            np.testing.assert_array_equal(value, changed)
        elif not np.array_equal(before[name], changed):
            assert not np.array_equal(value, changed)
