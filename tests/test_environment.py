"""Where a result comes from is told truly."""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from sepconv import environment

REPOSITORY = Path(__file__).parents[1]


def test_the_environment_is_this_one():
    described = environment.describe()
    assert described.python == platform.python_version()
    assert described.keras == importlib.metadata.version("keras")
    assert described.numpy == np.__version__
    assert described.backend_version == importlib.metadata.version(described.backend)
    assert described.cores == (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count())
    assert described.device


@pytest.mark.parametrize(("precision", "exact"), [("float32", True), ("float16", False), ("bfloat16", False)])
def test_products_that_round_their_factors_are_found_out(monkeypatch, precision, exact):
    product = keras.ops.matmul

    def rounding(*factors):
        return keras.ops.cast(product(*(keras.ops.cast(factor, precision) for factor in factors)), "float32")

    monkeypatch.setattr(keras.ops, "matmul", rounding)
    assert environment.describe().exact_products is exact


def test_the_commit_is_that_of_the_code(monkeypatch):
    monkeypatch.delenv("SEPCONV_COMMIT", raising=False)
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository")
    assert environment.git_commit() in {head, f"{head}-dirty"}


@pytest.mark.parametrize(("changes", "suffix"), [("", ""), (" M src/sepconv/spec.py", "-dirty")])
def test_changed_code_is_called_dirty(monkeypatch, changes, suffix):
    monkeypatch.delenv("SEPCONV_COMMIT", raising=False)
    monkeypatch.setattr(environment, "_git", lambda folder, command, *_: "abc" if command == "rev-parse" else changes)
    assert environment.git_commit() == f"abc{suffix}"


def test_a_stated_commit_stands_where_the_code_was_copied_without_git(monkeypatch):
    monkeypatch.setenv("SEPCONV_COMMIT", "abc")
    assert environment.git_commit() == "abc"


@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 10)]
)
def test_without_git_the_commit_is_unknown(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.delenv("SEPCONV_COMMIT", raising=False)
    monkeypatch.setattr(environment, "_git", fail)
    assert environment.git_commit() == "unknown"


def test_a_copy_inside_another_repository_does_not_take_its_commit(monkeypatch, tmp_path):
    monkeypatch.delenv("SEPCONV_COMMIT", raising=False)
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "another"], check=True)
    copy = tmp_path / "copy" / "environment.py"
    copy.parent.mkdir()
    copy.touch()
    monkeypatch.setattr(environment, "__file__", str(copy))
    assert environment.git_commit() == "unknown"


def test_variables_that_change_numbers_are_recorded(monkeypatch):
    told = {"JAX_ENABLE_X64": "1", "TF_SET_ONEDNN_FPMATH_MODE": "BF16", "TF_XLA_FLAGS": "--a", "OMP_NUM_THREADS": "2"}
    for name, value in {**told, "TF_CPP_MIN_LOG_LEVEL": "2", "TF_FORCE_GPU_ALLOW_GROWTH": "true", "HOME": "/"}.items():
        monkeypatch.setenv(name, f"{value}\n")  # which no record may hold
    recorded = set(environment.describe().settings)
    assert {f"{name}={value}" for name, value in told.items()} <= recorded
    assert not [setting for setting in recorded if setting.startswith(("TF_CPP", "TF_FORCE", "HOME"))]


SETTINGS_OF_KERAS = {
    "everything": '{"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}',
    "a backend": '{"backend": "numpy"}',
    "nonsense": '{"floatx": "nonsense"}',
    "half a file": "[1, 2",
}
_AFTER_IMPORT = """
import os, sys
sys.modules["keras"] = None  # which TensorFlow would import, and do without
import tensorflow  # once, since it takes seconds and reads no settings of Keras
del sys.modules["keras"]
for home in sys.argv[1:]:
    if os.fork() == 0:
        assert not any(name.split(".")[0] == "keras" for name in sys.modules)
        os.environ["KERAS_HOME"] = home
        import sepconv.networks, keras
        c = keras.config
        print(c.backend(), c.floatx(), c.epsilon(), c.image_data_format(), c.dtype_policy().name, end=" ")
        print(c.max_epochs(), c.max_steps_per_epoch(), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def keras_beside_settings(tmp_path_factory):
    """What Keras says of itself in processes whose users have settings, by the name of these."""
    homes = [tmp_path_factory.mktemp("home") for _ in SETTINGS_OF_KERAS]
    for home, settings in zip(homes, SETTINGS_OF_KERAS.values(), strict=True):
        (home / "keras.json").write_text(settings)
    chosen = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, "-c", _AFTER_IMPORT, *homes]
    changing = {"KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1"}
    said = subprocess.run(command, env=chosen | changing, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return dict(zip(SETTINGS_OF_KERAS, said.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("settings", SETTINGS_OF_KERAS)
def test_the_users_settings_of_keras_neither_choose_the_backend_nor_change_or_break_it(keras_beside_settings, settings):
    expected = ["tensorflow", "float32", "1e-07", "channels_last", "float32", "None", "None"]
    assert keras_beside_settings[settings].split() == expected


@pytest.mark.parametrize(("asked", "expected"), [({}, "true"), ({"TF_FORCE_GPU_ALLOW_GROWTH": "false"}, "false")])
def test_tensorflow_leaves_of_a_gpu_what_it_does_not_need(asked, expected):
    others = {name: value for name, value in os.environ.items() if name != "TF_FORCE_GPU_ALLOW_GROWTH"}
    code = "import os, sepconv; print(os.environ['TF_FORCE_GPU_ALLOW_GROWTH'])"
    said = subprocess.run([sys.executable, "-c", code], env=others | asked, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [expected]


@pytest.mark.parametrize("backend", ["torch", "numpy", ""])
def test_a_backend_that_does_not_train_here_is_refused(monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(environment.BackendError, match=f"expected KERAS_BACKEND=tensorflow or jax, got {backend}$"):
        environment.check_backend()


def test_a_backend_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    environment.check_backend()
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(environment.BackendError, match="expected the package jax, found none"):
        environment.check_backend()


def test_macos_has_all_cores_counts_bytes_and_names_its_processor(monkeypatch):
    kilobytes = environment.peak_bytes()
    monkeypatch.setattr(environment.sys, "platform", "darwin")
    assert environment.peak_bytes() < kilobytes / 500
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert environment.available_cores() == list(range(os.cpu_count()))
    monkeypatch.setattr(environment.Path, "read_text", lambda _: "")
    monkeypatch.setattr(environment.subprocess, "run", lambda command, **_: SimpleNamespace(stdout="Apple M9\n"))
    assert environment.device_of("tensorflow") == ("Apple M9", False)


@pytest.mark.parametrize(
    ("accelerator", "installed", "variables", "told"),
    [
        (False, True, {}, True),
        (True, True, {}, False),
        (False, False, {}, False),
        (False, True, {"CUDA_VISIBLE_DEVICES": "-1"}, False),
        (False, True, {"CUDA_VISIBLE_DEVICES": ""}, False),
        (False, True, {"JAX_PLATFORMS": "cpu"}, False),
    ],
)
def test_an_nvidia_device_that_the_backend_does_not_see_is_told(monkeypatch, accelerator, installed, variables, told):
    for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/bin/nvidia-smi" if installed else None)
    monkeypatch.setattr(environment.Path, "exists", lambda _: False)
    assert ("make env CUDA=tensorflow" in environment.unseen_accelerator(accelerator)) is told


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_peak_memory_is_that_of_the_process_in_bytes():
    if environment.describe().accelerator:
        pytest.skip("counts the accelerator's memory")
    in_kilobytes = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert environment.peak_bytes() == pytest.approx(int(in_kilobytes[1]) * 1024, rel=0.05)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
@pytest.mark.parametrize("kept", [True, False])
def test_memory_that_is_freed_is_kept_where_it_is_asked_for(kept):
    code = (
        "import resource; from sepconv.environment import keep_freed_memory\n"
        f"if {kept}: keep_freed_memory()\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    b'x' * 2**27\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "print(faults() * resource.getpagesize() > 2**26, faults() * resource.getpagesize() < 2**26)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", str(kept)]
