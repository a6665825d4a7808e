"""The rules that turn the number of images and the machine into the settings of a training.

They are set so that 292 images on a CPU get the settings of configs/picodet/picodet_xs_320_bccd.yml, which were found
by measuring, and so that large sets on large cards come near to the published training.
"""

from __future__ import annotations

import math

PUBLISHED_MEMORY = 32  # GB that the published batches are taken to need; XS 320 on a CPU needs half of it
MOST_ON_CPU = 16  # images in a batch: more make no step faster there
UPDATES_PER_EPOCH = 16  # at least, in small sets
SMALLEST_BATCH = 8  # for which the statistics of the norms are fit
FEWEST_EPOCHS, MOST_EPOCHS = 20, 300  # 300 were published
FEWEST_UPDATES = 360  # 20 epochs of 18, as for BCCD
LONGEST_WARMUP = 300  # updates, as published
MOST_WORKERS = 6  # as published


def batch_size(published: int, memory: float, has_card: bool, num_images: int) -> int:
    """Images in a batch: the published number, or a power of two if memory or images are too few for it.

    Args:
        published: images for each card in the published training.
        memory: GB of the card, or of the machine.
        has_card: whether the training runs on a card.
        num_images: images of the training split.
    """
    fits = published * memory / PUBLISHED_MEMORY
    useful = max(SMALLEST_BATCH, num_images / UPDATES_PER_EPOCH)
    limit = min(published, fits, useful, num_images, math.inf if has_card else MOST_ON_CPU)
    return published if limit >= published else 2 ** int(math.log2(max(1, limit)))


def learning_rate(base_lr: float, reference_batch_size: int, batch: int) -> float:
    """The published rate for batches of another size, on one card: it grows with the batch."""
    return base_lr * batch / reference_batch_size


def epochs(steps_per_epoch: int) -> int:
    """Epochs from weights that were trained on COCO: 20, or more if there are few updates in each."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(FEWEST_UPDATES / steps_per_epoch)))


def warmup_steps(updates: int) -> int:
    """Updates in which the rate rises: a twentieth of them all."""
    return min(LONGEST_WARMUP, max(1, updates // 20))


def static_assigner_epochs(num_epochs: int) -> int:
    """Epochs with the simpler assigner: a fifth, as for BCCD."""
    return num_epochs // 5


def snapshot_epochs(num_epochs: int) -> int:
    """Epochs between two checkpoints: there are ten of them."""
    return max(1, num_epochs // 10)


def worker_num(cores: int) -> int:
    """Processes that read images: one for each core, up to the published number."""
    return min(MOST_WORKERS, cores)
