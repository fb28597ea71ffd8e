"""Measure a step of training against the study's loop rebuilt, both in one process on one machine, in turn.

    .venv/bin/python benchmarks/training/steps.py steps --network simple --filters 16 --side 256
    .venv/bin/python benchmarks/training/steps.py steps --network residual_attention --filters 64 --side 512 --batch 2 --rounds 3
    .venv/bin/python benchmarks/training/steps.py curves        # the same losses over 50 steps, a few seeds
    .venv/bin/python benchmarks/training/steps.py augmentation  # what each change of the patches costs
    .venv/bin/python benchmarks/training/steps.py gates         # the attention gates' time against their arithmetic
    .venv/bin/python benchmarks/training/steps.py start         # a job's start to its first step
    .venv/bin/python benchmarks/training/steps.py growth        # side and batch

The study's loop: whole frames and masks, each by a random affine warp of its own on the host (SciPy, bilinear, reflected
edges), a Python generator, `model.fit` in float32. Ours: `loop.prepare` and `loop.prefetch`, in the precision
that `auto` takes. Frames are made by code. The processor's time counts all threads; on a machine that does other work
read that column, and the ratio.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from scipy import ndimage  # noqa: E402

GIGAFLOP = {
    "simple": 445.5,
    "attention": 488.4,
    "residual_attention": 518.6,
}  # forward, 64 filters, 512 × 512 × 3
STUDY = {
    "rotation": 90, "shift": 0.3, "shear": 0.5, "zoom": 0.3, "scale": 0, "flip": True, "elastic_px": 0,
    "elastic_scale_px": 32, "gamma": 0, "contrast": 0, "noise": 0, "blur": 0,
}  # fmt: skip
LINES = {"elastic_px": 8, "scale": 0.3, "gamma": 0.2, "contrast": 0.2, "blur": 1, "noise": 0.03}


def make_frames(side: int, number: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Make textured scenes: images float32 (number, side, side, channels) in about 0..1, and labels int32."""
    from textured import scene

    images, labels = zip(
        *(scene(seed, side, cells=max(4, side**2 // 4000)) for seed in range(number)), strict=True
    )
    grey = np.stack(images).astype(np.float32)
    low, high = np.percentile(grey, (0.5, 99.5))
    return np.repeat(((grey - low) / (high - low))[..., None], channels, -1), np.stack(labels).astype(
        np.int32
    )


def settings(side: int, batch: int, **changes) -> dict:
    """The config's `training`, as far as a step needs it."""
    return {
        "epochs": 100, "minutes": None, "steps_per_epoch": 100, "batch_size": batch, "patch": side, "learning_rate": 0.001,
        "schedule": "constant", "gamma": 2, "statistics_momentum": 0.99, "augmentation": STUDY,
    } | changes  # fmt: skip


def study_batches(images: np.ndarray, labels: np.ndarray, batch: int, seed: int):
    """Yield batches as the study's loop made them: every image and mask warped on the host, one after the other."""
    rng = np.random.default_rng(seed)
    side = images.shape[1]
    middle = np.full(2, (side - 1) / 2)
    while True:
        pictures, masks = [], []
        for index in rng.integers(len(images), size=batch):
            angle, shear = np.deg2rad(rng.uniform(-90, 90)), np.deg2rad(rng.uniform(-0.5, 0.5))
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            lean = np.array([[1, -np.sin(shear)], [0, np.cos(shear)]])
            matrix = turn @ lean @ np.diag(rng.uniform(0.7, 1.3, 2) * rng.choice([-1.0, 1.0], 2))
            offset = middle + rng.uniform(-0.3, 0.3, 2) * side - matrix @ middle
            planes = np.concatenate([images[index], labels[index][..., None] > 0], -1)
            warped = np.stack(
                [
                    ndimage.affine_transform(plane, matrix, offset, order=1, mode="reflect")
                    for plane in np.moveaxis(planes, -1, 0)
                ],
                -1,
            )
            pictures.append(warped[..., :-1])
            masks.append(warped[..., -1:] > 0.5)
        yield np.stack(pictures), np.stack(masks).astype(np.float32)


def build(network: str, filters: int, levels: int, side: int, channels: int, precision: str, seed: int = 1):
    """Build a network with weights that depend on the seed alone."""
    import keras

    from brightcell.nets import unet

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    model = unet.build_unet(network, (side, side, channels), filters=filters, levels=levels)
    keras.config.set_dtype_policy("float32")
    return model


class Study:
    """The study's loop: Keras' own fit, float32."""

    def __init__(self, model, images, labels, batch, seed=1):
        import keras

        self.model, self.batches = model, study_batches(images, labels, batch, seed)
        model.compile(
            optimizer=keras.optimizers.Adam(0.001), loss=keras.losses.BinaryFocalCrossentropy(gamma=2)
        )

    def steps(self, number: int) -> list[float]:
        """Train for some steps; returns their losses."""
        import keras

        losses = []

        class Watch(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                losses.append(logs["loss"] * (batch + 1) - sum(losses))  # Keras tells the running mean

        self.model.fit(self.batches, steps_per_epoch=number, epochs=1, verbose=0, callbacks=[Watch()])
        return losses


class Ours:
    """brightcell's loop."""

    def __init__(self, model, images, labels, wanted, seed=1):
        from brightcell.training import loop, patches, train_step

        frames = [patches.TrainingFrame.from_labels(*pair) for pair in zip(images, labels, strict=True)]
        self.model = loop.prepare(model, wanted)
        self.step, self.rate = train_step.stepper(self.model), wanted["learning_rate"]
        outputs = model.output_shape[-1]
        self.batches = loop.prefetch(frames, wanted["batch_size"], wanted["patch"], outputs, wanted, seed)

    def steps(self, number: int) -> list[float]:
        """Train for some steps; returns their losses."""
        return [self.step(*next(self.batches), self.rate) for _ in range(number)]


def measure(loops: dict, rounds: int, steps: int) -> dict[str, tuple[float, float]]:
    """Let loops train in turn; returns of each the medians of a step's seconds, clock and processor."""
    for loop in loops.values():
        loop.steps(1)
    spent = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            clock, processor = time.perf_counter(), time.process_time()
            loop.steps(steps)
            spent[name].append(
                ((time.perf_counter() - clock) / steps, (time.process_time() - processor) / steps)
            )
    return {name: tuple(np.median(values, axis=0)) for name, values in spent.items()}


def compare_steps(options, precision: str) -> None:
    """The study's loop and ours on one network."""
    channels = 3
    images, labels = make_frames(options.side, 8, channels)
    shape = (options.network, options.filters, options.levels, options.side, channels)
    loops = {
        "the study's loop, float32": Study(build(*shape, "float32"), images, labels, options.batch),
        f"brightcell, {precision}": Ours(
            build(*shape, precision), images, labels, settings(options.side, options.batch)
        ),
    }
    found = measure(loops, options.rounds, options.steps)
    base = next(iter(found.values()))
    forward = GIGAFLOP[options.network] * (options.filters / 64) ** 2 * (options.side / 512) ** 2
    print(f"{options.network}, {options.filters} filters, {options.side} × {options.side} px, batch {options.batch}, "
          f"{options.threads} threads; medians of {options.rounds} rounds of {options.steps} steps\n")  # fmt: skip
    print("| loop | clock, s | processor, s | times faster, clock | processor | GFLOP/s |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, (clock, processor) in found.items():
        rate = 3 * forward * options.batch / clock
        print(
            f"| {name} | {clock:.3f} | {processor:.3f} | {base[0] / clock:.2f} | {base[1] / processor:.2f} | {rate:.0f} |"
        )


def compare_curves(options, precision: str) -> None:
    """Losses of both loops over the first steps, from the same weights, for some seeds."""
    images, labels = make_frames(options.side, 8, 1)
    curves = {"the study's loop": [], "brightcell": []}
    for seed in range(1, options.seeds + 1):
        shape = (options.network, options.filters, options.levels, options.side, 1)
        study = Study(build(*shape, "float32", seed), images, labels, options.batch, seed)
        ours = Ours(
            build(*shape, precision, seed), images, labels, settings(options.side, options.batch), seed
        )
        for name, loop in zip(curves, (study, ours), strict=True):
            curves[name].append(loop.steps(50))
    print(f"{options.network}, {options.filters} filters, {options.side} px, batch {options.batch}, {options.seeds} seeds; "
          f"brightcell in {precision}. Mean loss of ten steps, ± standard deviation over seeds\n")  # fmt: skip
    print("| steps | the study's loop | brightcell | difference | its standard error |")
    print("|---|---:|---:|---:|---:|")
    tens = {name: np.array(values).reshape(options.seeds, 5, 10).mean(-1) for name, values in curves.items()}
    for ten in range(5):
        study, ours = (values[:, ten] for values in tens.values())
        error = np.sqrt((study.var(ddof=1) + ours.var(ddof=1)) / options.seeds)
        print(f"| {10 * ten + 1} to {10 * ten + 10} | {study.mean():.4f} ± {study.std(ddof=1):.4f} | {ours.mean():.4f} ± "
              f"{ours.std(ddof=1):.4f} | {ours.mean() - study.mean():+.4f} | {error:.4f} |")  # fmt: skip


def measure_augmentation(options, precision: str) -> None:
    """Time to make a batch, by what is changed; and by SciPy on the host, as the study's loop did."""
    from keras import ops

    from brightcell.compute import backend
    from brightcell.training import patches, warping

    images, labels = make_frames(2 * options.side, 4, options.channels)
    frames = [patches.TrainingFrame.from_labels(*pair) for pair in zip(images, labels, strict=True)]
    sets = {"the study's": STUDY} | {
        f"and {key} {value}": STUDY | {key: value} for key, value in LINES.items()
    }
    sets["and all of these"] = STUDY | LINES
    print(f"a batch of {options.batch}, {options.side} × {options.side} px, {options.channels} channels, distance and labels, "
          f"{options.threads} threads; medians of {options.rounds} rounds\n")  # fmt: skip
    print("| set | drawing and cutting, ms | warping, ms | processor in all, ms |\n|---|---:|---:|---:|")
    for name, chosen in sets.items():
        make = backend.compiled(lambda drawn: warping.make_patches(drawn, options.side, 2))
        spent = []
        for step in range(options.rounds + 1):
            processor, begun = time.process_time(), time.perf_counter()
            drawn = patches.draw_batch(
                frames, options.batch, options.side, 2, chosen, np.random.default_rng([1, step])
            )
            cut = time.perf_counter()
            made = make({key: ops.convert_to_tensor(values) for key, values in drawn.items()})
            [ops.convert_to_numpy(part) for part in made]
            spent.append((cut - begun, time.perf_counter() - cut, time.process_time() - processor))
        print("| {} | {:.1f} | {:.1f} | {:.1f} |".format(name, *(1000 * np.median(spent[1:], axis=0))))
    host, spent = (
        study_batches(
            images[:, : options.side, : options.side],
            labels[:, : options.side, : options.side],
            options.batch,
            1,
        ),
        [],
    )
    for _ in range(options.rounds):
        processor, begun = time.process_time(), time.perf_counter()
        next(host)
        spent.append((time.perf_counter() - begun, time.process_time() - processor))
    clock, processor = 1000 * np.median(spent, axis=0)
    print(f"| the study's by SciPy, without distance | {clock:.1f} | – | {processor:.1f} |")


def compare_gates(options, precision: str) -> None:
    """The three networks' times against their arithmetic."""
    images, labels = make_frames(options.side, 8, 3)
    loops = {
        network: Ours(
            build(network, options.filters, options.levels, options.side, 3, precision),
            images,
            labels,
            settings(options.side, options.batch),
        )
        for network in GIGAFLOP
    }
    found = measure(loops, options.rounds, options.steps)
    print(f"{options.filters} filters, {options.side} × {options.side} px, batch {options.batch}, {precision}, {options.threads} "
          f"threads; medians of {options.rounds} rounds of {options.steps} steps\n")  # fmt: skip
    print(
        "| network | clock, s | processor, s | time relative to simple | operations relative to simple | time / operations |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    for network, (clock, processor) in found.items():
        time_ratio, work_ratio = processor / found["simple"][1], GIGAFLOP[network] / GIGAFLOP["simple"]
        print(
            f"| {network} | {clock:.3f} | {processor:.3f} | {time_ratio:.2f} | {work_ratio:.3f} | {time_ratio / work_ratio:.2f} |"
        )


def measure_growth(options, precision: str) -> None:
    """A step's time by side and by batch."""
    print(f"{options.network}, {options.filters} filters, {precision}, {options.threads} threads; the time per pixel is a step's divided by "
          "all pixels of its batch\n")  # fmt: skip
    print(
        "| side, px | batch | clock, s | processor, s | processor, µs per pixel |\n|---:|---:|---:|---:|---:|"
    )
    for side, batch in ((64, 4), (128, 4), (256, 4), (512, 4), (256, 1), (256, 2), (256, 8)):
        images, labels = make_frames(side, 4, 1)
        model = build(options.network, options.filters, options.levels, side, 1, precision)
        found = measure(
            {"ours": Ours(model, images, labels, settings(side, batch))}, options.rounds, options.steps
        )
        clock, processor = found["ours"]
        print(
            f"| {side} | {batch} | {clock:.3f} | {processor:.3f} | {1e6 * processor / (side**2 * batch):.2f} |"
        )


def start_once(what: str, options) -> None:
    """In a process of its own: import and build; or that and all up to the end of the first step."""
    from brightcell.compute import backend

    precision = backend.start(options.threads, "cpu", "auto")
    model = build(options.network, options.filters, options.levels, options.side, 1, precision)
    if what == "bare":
        import keras

        model.compile(
            optimizer=keras.optimizers.Adam(0.001), loss=keras.losses.BinaryFocalCrossentropy(gamma=2)
        )
        shape = (options.batch, options.side, options.side)
        model.train_on_batch(np.zeros((*shape, 1), np.float32), np.zeros((*shape, 1), np.float32))
    if what == "first step":
        images, labels = make_frames(options.side, 2, 1)
        Ours(model, images, labels, settings(options.side, options.batch)).steps(1)


def measure_start(options, precision: str) -> None:
    """Time of processes from their start: bare import and build, Keras' first step, ours."""
    spent = {what: [] for what in ("build", "bare", "first step")}
    for _ in range(options.rounds):
        for what, times in spent.items():
            before, begun = os.times(), time.perf_counter()
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--once", what], check=True)
            after = os.times()
            used = after.children_user + after.children_system - before.children_user - before.children_system
            times.append((time.perf_counter() - begun, used))
    titles = {
        "build": "import and build of the network",
        "bare": "and Keras' own first step (zeros, mixed precision)",
        "first step": "brightcell's start to the end of its first step",
    }
    print(
        f"{options.network}, {options.filters} filters, {options.side} px, batch {options.batch}; medians of {options.rounds}\n"
    )
    print("| process | clock, s | processor, s |\n|---|---:|---:|")
    for what, times in spent.items():
        print("| {} | {:.1f} | {:.1f} |".format(titles[what], *np.median(times, axis=0)))


def main() -> None:
    """Run what the command line names."""
    runs = {
        "steps": compare_steps,
        "curves": compare_curves,
        "augmentation": measure_augmentation,
        "gates": compare_gates,
        "start": measure_start,
        "growth": measure_growth,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=runs)
    parser.add_argument("--network", choices=GIGAFLOP, default="simple")
    for name, value in {
        "filters": 16,
        "levels": 5,
        "side": 256,
        "batch": 4,
        "channels": 1,
        "threads": 2,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps in a round")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--once", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        return start_once(options.once, options)
    from brightcell.compute import backend

    return runs[options.what](options, backend.start(options.threads, "cpu", "auto"))


if __name__ == "__main__":
    main()
