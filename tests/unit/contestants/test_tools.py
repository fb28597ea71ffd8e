"""The tools that can be contestants: what they compute by themselves, what they refuse, and a training of seconds."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brightcell.metrics import instance_scores

spec = importlib.util.spec_from_file_location("drive", Path(__file__).with_name("drive.py"))
drive = importlib.util.module_from_spec(spec)
spec.loader.exec_module(drive)

ROOT = Path(__file__).parents[3]
# A tool's package may also be among those of the tests.
PACKAGES = {"stardist": "stardist", "cellpose": "cellpose", "nnunet": "nnunetv2"}
# Settings for a training of seconds.
QUICK = {
    "stardist": {
        "epochs": 4,
        "options": {"patch": 48, "steps_per_epoch": 25, "learning_rate": 0.002, "rays": 8},
    },
    "nnunet": {"epochs": 4, "options": {"steps_per_epoch": 10, "validation_steps": 1}},
    "cellpose": {"epochs": 30, "options": {"patch": 96, "batch_size": 2, "learning_rate": 0.1}},
}


def settings(name, **changes):
    """What the workflow hands to a tool, with the tool's own options unless they are changed."""
    options = drive.load(name).OPTIONS | changes.pop("options", {})
    plain = {
        "seed": 1,
        "minutes": None,
        "epochs": None,
        "weights": None,
        "pixel_size_um": 0.5,
        "threads": 1,
        "device": "cpu",
    }
    return plain | changes | {"options": options}


def python_of(name):
    """The Python that has the tool's package."""
    own = ROOT / ".venv-contestants" / name / "bin" / "python"
    if own.exists():
        return own
    if importlib.util.find_spec(PACKAGES[name]):
        return sys.executable
    return pytest.skip(f"{name} is not installed: make contestant NAME={name}")


def discs(seed, side=128):
    """A frame of bright discs of radius 8 on noise, apart from one another, and its labels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    labels, cell = np.zeros((side, side), np.int32), 0
    for row in range(16, side, 24):
        for column in range(16, side, 24):
            cell += 1
            dy, dx = rng.uniform(-3, 3, 2)
            labels[(y - row - dy) ** 2 + (x - column - dx) ** 2 < 64] = cell
    return ((labels > 0) + rng.normal(0, 0.1, labels.shape)).astype(np.float32)[..., None], labels


@pytest.mark.parametrize("name", QUICK)
def test_a_tool_learns_discs(name, tmp_path):
    frames = [discs(seed) for seed in range(4)]
    frames[0][1][:40, :40] = -1
    np.savez(
        tmp_path / "frames.npz", images=[image for image, _ in frames], labels=[cells for _, cells in frames]
    )
    (tmp_path / "settings.json").write_text(json.dumps(settings(name, **QUICK[name])), encoding="utf-8")
    command = [python_of(name), drive.__file__, name, "frames.npz", "settings.json", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = json.loads(done.stdout.splitlines()[-1])
    assert first == second
    assert first["epochs_run"] == QUICK[name]["epochs"] and first["training_s"] > 0
    labels = np.load(tmp_path / "labels.npy")
    assert labels.dtype == np.int32 and labels.shape == (128, 128) and labels.min() == 0
    assert instance_scores(frames[-1][1], labels)["ap50"] > 0.8
    assert (np.load(tmp_path / "again.npy") == labels).all()
    if getattr(drive.load(name), "PROBABILITY", False):
        probability, cells = np.load(tmp_path / "raw.npz")["probability"], frames[-1][1] > 0
        assert probability.dtype == np.float32 and probability.shape == (128, 128)
        assert probability[cells].mean() > 0.7 and probability[~cells].mean() < 0.3


@pytest.mark.parametrize("name", QUICK)
def test_what_the_workflow_reads_without_the_tool(name):
    """Literals at the top of the file, with comments for each option."""
    tree = ast.parse((drive.TOOLS / f"{name}.py").read_text(encoding="utf-8"))
    found = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert isinstance(ast.literal_eval(found["OPTIONS"]), dict)
    assert isinstance(ast.literal_eval(found["TITLE"]), str)
    assert isinstance(ast.literal_eval(found["NEEDS_WEIGHTS"]), bool)
    imported = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    assert imported <= set(sys.stdlib_module_names) | {"numpy"}


@pytest.mark.parametrize("name", QUICK)
def test_a_tool_without_training_needs_weights(name):
    drive.load(name).check(settings(name))
    with pytest.raises(SystemExit, match=r"epochs: 0 .* `weights`"):
        drive.load(name).check(settings(name, epochs=0))


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("stardist", "grid", 3),
        ("stardist", "rays", 2),
        ("stardist", "patch", 64.0),
        ("stardist", "learning_rate", 0),
        ("stardist", "prob_threshold", 1.5),
        ("stardist", "prob_threshold", "high"),
        ("stardist", "nms_threshold", 0),
        ("cellpose", "batch_size", 0),
        ("cellpose", "frames_per_epoch", "all"),
        ("cellpose", "diameter_px", 0),
        ("cellpose", "cellprob_threshold", "low"),
        ("cellpose", "flow_threshold", -1),
        ("cellpose", "channels", "1,2"),
        ("nnunet", "border_px", 0),
        ("nnunet", "steps_per_epoch", 2.5),
        ("nnunet", "gpu_memory_gb", -1),
    ],
)
def test_an_option_out_of_range(name, option, value):
    with pytest.raises(SystemExit, match=f"^options.{option}: {value} was found; expected"):
        drive.load(name).check(settings(name, options={option: value}))


class TestStarDist:
    def test_patches_fit_into_every_frame(self):
        side = drive.load("stardist").patch_side
        assert side([(300, 250, 1), (400, 400, 1)], 256, 2) == 240
        assert side([(1000, 1000, 3)], 256, 4) == 256
        with pytest.raises(SystemExit, match="smallest frame has 40"):
            side([(40, 100, 1)], 256, 8)

    def test_an_augmented_patch_keeps_image_and_labels_together(self):
        cells = np.arange(64, dtype=np.int32).reshape(8, 8)
        image, rng = np.float32(cells[..., None]), np.random.default_rng(1)
        ways = set()
        for _ in range(50):
            changed, turned = drive.load("stardist").augmented(image, cells, rng)
            slope, offset = np.polyfit(turned.ravel(), changed.ravel(), 1)
            assert 0.59 < slope < 2.01 and -0.4 < offset < 0.4
            ways.add(turned.tobytes())
        assert len(ways) == 8

    def test_weights_are_the_folder_of_a_model(self, tmp_path):
        check = drive.load("stardist").check
        wrong = settings("stardist", weights=str(tmp_path / "absent"))
        with pytest.raises(SystemExit, match=r"absent: no readable config\.json"):
            check(wrong)
        wrong["weights"] = str(tmp_path)
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(SystemExit, match="not the config of a StarDist model in 2D"):
            check(wrong)
        (tmp_path / "config.json").write_text('{"n_rays": 32, "n_dim": 2}')
        with pytest.raises(SystemExit, match="no file of weights"):
            check(wrong)
        (tmp_path / "weights_best.h5").write_bytes(b"PK")
        with pytest.raises(SystemExit, match=r"weights_best\.h5: this is not a file of weights"):
            check(wrong)
        (tmp_path / "weights_best.h5").write_bytes(b"\x89HDF\r\n")
        check(wrong)


class TestCellpose:
    def test_frames_with_few_cells_are_left_out(self):
        frames = [(None, np.arange(cells + 1)) for cells in (5, 4, 0, 7)]
        enough = drive.load("cellpose").enough_cells
        assert [cells.max() for _, cells in enough(frames)] == [5, 7]
        assert [cells.max() for _, cells in enough(frames[1:3])] == [4]
        with pytest.raises(SystemExit, match="none of the training frames has a cell"):
            enough(frames[2:3])

    def test_cells_are_counted_where_the_truth_is_known(self):
        truth = np.array([[0, 7, 7, -1, -1, -1], [0, 0, 9, -1, -1, -1]])
        found = np.array([[0, 5, 5, 2, 2, 0], [3, 3, 3, 3, 0, 8]])
        known, counted = drive.load("cellpose").numbered(truth, found)
        assert known.tolist() == [[0, 1, 1, 0, 0, 0], [0, 0, 2, 0, 0, 0]]
        assert counted.tolist() == [[0, 2, 2, 0, 0, 0], [1, 1, 1, 0, 0, 0]]

    def test_cells_without_background_are_numbered_from_one(self):
        assert (
            drive.load("cellpose").numbered(np.full((2, 2), 4), np.full((2, 2), 6))[1].tolist()
            == [[1, 1]] * 2
        )

    def test_weights_are_a_file_of_pytorch(self, tmp_path):
        check = drive.load("cellpose").check
        wrong = settings("cellpose", weights=str(tmp_path / "cyto3"))
        with pytest.raises(SystemExit, match=r"cyto3: no such file; expected a file of weights of Cellpose"):
            check(wrong)
        (tmp_path / "cyto3").write_text("<html>404</html>")
        with pytest.raises(SystemExit, match="cyto3: this is not a file of PyTorch"):
            check(wrong)
        (tmp_path / "cyto3").write_bytes(b"PK\x03\x04")
        check(wrong)


class TestNnunet:
    def test_a_cell_has_a_border_and_a_core(self):
        cells = np.zeros((9, 12), np.int32)
        cells[1:8, 1:6], cells[1:8, 6:11] = 3, 8
        classes = drive.load("nnunet").cores_and_borders(cells, 2)
        assert classes[4].tolist() == [0, 1, 1, 2, 1, 1, 1, 1, 2, 1, 1, 0]
        assert classes[2].tolist() == [0] + [1] * 10 + [0]
        assert (classes[cells == 0] == 0).all()

    def test_cells_that_touch_come_back(self):
        cells = np.pad(
            np.kron(np.arange(1, 17, dtype=np.int32).reshape(4, 4), np.ones((12, 12), np.int32)), 5
        )
        tool = drive.load("nnunet")
        found = tool.cells_of(tool.cores_and_borders(cells, 2))
        assert ((found > 0) == (cells > 0)).all() and found.max() == 16
        assert instance_scores(cells, found)["seg"] > 0.97

    def test_a_cell_with_a_narrow_neck_stays_one(self):
        cells = np.zeros((12, 24), np.int32)
        cells[1:11, 1:11], cells[2:8, 14:22], cells[5, 11:14] = 6, 6, 6
        tool = drive.load("nnunet")
        classes = tool.cores_and_borders(cells, 2)
        assert (classes[:, :11] == 2).sum() == 36 and not (classes[:, 11:] == 2).any()
        assert (tool.cells_of(classes) == (cells > 0)).all()

    def test_a_small_cell_keeps_a_core(self):
        cells = np.zeros((5, 9), np.int32)
        cells[1:4, 1:4], cells[2, 6] = 1, 2
        classes = drive.load("nnunet").cores_and_borders(cells, 5)
        assert np.argwhere(classes == 2).tolist() == [[2, 2], [2, 6]]

    def test_what_is_ignored_is_a_class_of_its_own(self):
        cells = np.full((4, 4), -1)
        cells[:, :2] = 0
        assert drive.load("nnunet").cores_and_borders(cells, 2).tolist() == [[0, 0, 3, 3]] * 4

    def test_a_cell_that_fills_the_frame_is_core(self):
        assert (drive.load("nnunet").cores_and_borders(np.full((4, 4), 7), 2) == 2).all()

    def test_borders_without_a_core_are_no_cell(self):
        classes = np.zeros((4, 8), np.uint8)
        classes[1:3, 1:3], classes[1:3, 4:7], classes[1, 5] = 1, 1, 2
        found = drive.load("nnunet").cells_of(classes)
        assert found.dtype == np.int32 and found.max() == 1
        assert (found == 1).sum() == 6 and (found[:, :4] == 0).all()

    def test_weights_are_the_folder_of_a_model(self, tmp_path):
        check = drive.load("nnunet").check
        wrong = settings("nnunet", weights=str(tmp_path))
        with pytest.raises(SystemExit, match=r"no dataset\.json was found there; expected the folder"):
            check(wrong)
        (tmp_path / "fold_0").mkdir()
        (tmp_path / "plans.json").write_text("{}")
        (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "cell": 1}}')
        (tmp_path / "fold_0" / "checkpoint_final.pth").write_text("no")
        with pytest.raises(SystemExit, match=r"checkpoint_final\.pth: this is not a file of PyTorch"):
            check(wrong)
        (tmp_path / "fold_0" / "checkpoint_final.pth").write_bytes(b"PK\x03\x04")
        with pytest.raises(
            SystemExit, match="'cell': 1} were found; expected background: 0, border: 1, core: 2"
        ):
            check(wrong)
        labels = {"background": 0, "border": 1, "core": 2, "ignore": 3}
        (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
        check(wrong)
