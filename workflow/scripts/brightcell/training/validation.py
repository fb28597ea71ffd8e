"""Validate a network on whole frames, cut into tiles."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from . import patches
from .loss import SegmentationLoss


def validation_tiles(frames: list[patches.TrainingFrame], patch: int, outputs: int) -> tuple[np.ndarray, ...]:
    """Cut validation frames, without augmentation, into tiles: images, targets and the pixels that count.

    Tiles lie side by side; parts beyond the frame are reflected and do not count, nor do pixels with labels below 0.
    """
    images, targets, counts = [], [], []
    for frame in frames:
        height, width = frame.labels.shape
        pad = ((0, -height % patch), (0, -width % patch))
        target = np.stack([frame.labels > 0, frame.distance][:outputs], -1).astype(np.float32)
        image = np.pad(frame.image, (*pad, (0, 0)), mode="reflect")
        target = np.pad(target, (*pad, (0, 0)), mode="reflect")
        count = np.pad(frame.labels >= 0, pad)
        for top in range(0, image.shape[0], patch):
            for left in range(0, image.shape[1], patch):
                window = (slice(top, top + patch), slice(left, left + patch))
                images.append(image[window])
                targets.append(target[window])
                counts.append(count[window])
    return np.stack(images), np.stack(targets), np.stack(counts)


def validate(
    model: keras.Model,
    tiles: tuple[np.ndarray, ...],
    loss: SegmentationLoss,
    batch: int,
    received: Sequence[str] = (),
) -> tuple[float, float]:
    """Return loss and cell IoU (threshold 0.5, pixels of all tiles pooled) of a network that gives logits.

    Ends early, with meaningless figures, as soon as `received` is not empty.
    """
    images, targets, counts = tiles
    total, overlap, union = 0.0, 0, 0
    for start in range(0, len(images), batch):
        if received:
            break
        chosen = slice(start, start + batch)
        image, missing = images[chosen], max(0, batch - len(images[chosen]))
        image = np.concatenate([image, np.repeat(image[-1:], missing, 0)])  # one shape, one compilation
        predicted = ops.convert_to_numpy(model.predict_on_batch(image))[: batch - missing]
        count = counts[chosen]
        pair = (ops.convert_to_tensor(targets[chosen]), ops.convert_to_tensor(predicted))
        total += float(ops.convert_to_numpy(loss.call(*pair))[count].sum())
        truth, found = targets[chosen][..., 0][count] > 0.5, predicted[..., 0][count] > 0
        overlap += int((truth & found).sum())
        union += int((truth | found).sum())
    return total / max(1, int(counts.sum())), overlap / union if union else 1.0
