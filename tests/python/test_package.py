"""What is installed, and that the source distribution builds by itself."""

import email
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

import liburing

ROOT = pathlib.Path(__file__).parents[2]
# What every Linux with glibc has.
SYSTEM = {"libc.so.6", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libdl.so.2",
          "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}  # fmt: skip


def workspace_version():
    text = (ROOT / "Cargo.toml").read_text()
    return re.search(r'\[workspace\.package\]\nversion = "(.*)"', text)[1]


def test_versions_agree():
    assert liburing.__version__ == workspace_version() == importlib.metadata.version("anyring")


def test_the_module_is_of_this_distribution():
    owners = importlib.metadata.packages_distributions()
    assert owners["liburing"] == ["anyring"]


def test_one_native_module_and_no_library_beside_it():
    files = importlib.metadata.files("anyring")
    native = [file for file in files if ".so" in file.name]
    assert [file.name for file in native] == ["_liburing.abi3.so"]
    assert not [file for file in files if "libs/" in str(file)]
    (wheel,) = [file for file in files if file.name == "WHEEL"]
    tags = email.message_from_string(wheel.read_text()).get_all("Tag")
    assert all(tag.startswith("cp310-abi3-") for tag in tags)
    names = {str(file) for file in files}
    assert {"liburing/py.typed", "liburing/__init__.pyi", "liburing/_liburing.pyi"} <= names
    if shutil.which("readelf") is None:
        pytest.skip("readelf is not installed")
    found = subprocess.run(
        ["readelf", "-d", native[0].locate()], capture_output=True, text=True, check=True
    ).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", found))
    assert needed and needed <= SYSTEM


@pytest.mark.timeout(580)
def test_the_source_distribution_builds_by_itself(tmp_path):
    if importlib.util.find_spec("maturin") is None:
        pytest.skip("maturin is not installed")

    # The build back end looks for its program there.
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])

    def run(*command, **arguments):
        done = subprocess.run(
            [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=560,
            env=os.environ | {"PATH": path}, **arguments,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", "maturin", "sdist", "--out", tmp_path, cwd=ROOT)
    (archive,) = tmp_path.glob("anyring-*.tar.gz")
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    assert f"anyring-{workspace_version()}/Cargo.lock" in names
    run(
        "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-cache-dir",
        "--wheel-dir", tmp_path, archive, cwd=tmp_path,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("anyring-*.whl")
    run("-m", "pip", "install", "--no-deps", "--target", tmp_path / "there", wheel, cwd=tmp_path)
    program = "import liburing; print(liburing.__file__, liburing.__version__)"
    shown = run("-c", program, cwd=tmp_path / "there").split()
    assert pathlib.Path(shown[0]).is_relative_to(tmp_path) and shown[1] == workspace_version()
