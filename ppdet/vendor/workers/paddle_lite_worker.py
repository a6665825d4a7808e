"""Job: program (.pdmodel), target (.nb), fp16. For Python 3.7, the newest that the package `paddlelite` is made for.

With `simulate`, the target is built for this computer instead of for ARM, in float32. The worker answers a line when
that is done, and then for each line [input .npy, outputs .npz] that it reads, until there are no more.
"""

from __future__ import annotations

import json
import os
import sys

from paddlelite import lite


def main() -> None:
    job = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints is no answer
    simulate = job.get("simulate", False)
    optimizer = lite.Opt()
    optimizer.set_model_file(job["program"])
    optimizer.set_param_file(job["program"].replace(".pdmodel", ".pdiparams"))
    optimizer.set_valid_places("x86" if simulate else "arm")
    optimizer.set_model_type("naive_buffer")
    optimizer.set_optimize_out(job["target"][: -len(".nb")])
    if job["fp16"] and not simulate:
        optimizer.enable_fp16()
    optimizer.run()
    if simulate:
        print("built", file=answers, flush=True)
        _run(job["target"], answers)


def _run(file: str, answers) -> None:  # type: ignore[no-untyped-def]
    import numpy as np

    config = lite.MobileConfig()
    config.set_model_from_file(file)
    predictor = lite.create_paddle_predictor(config)
    for line in sys.stdin:
        given, found = json.loads(line)
        predictor.get_input(0).from_numpy(np.load(given))
        predictor.run()
        outputs = [predictor.get_output(i).numpy() for i in range(len(predictor.get_output_names()))]
        np.savez(found, *outputs)
        print("ran", file=answers, flush=True)


if __name__ == "__main__":
    main()
