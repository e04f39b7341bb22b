"""All engines give the same results, bytes and errors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import ContractError, RecipeError, UserError
from assay.engines import ENGINES
from assay.engines.local import Local
from assay.engines.ray import Ray
from error_fields import raises
from run_parts import Bright, Shapes, datasets, recipe, run

ROOT = Path(__file__).parents[1]


def square(number: int) -> int:
    time.sleep(0.02 * (number % 3))  # the later ones are done first
    return number * number


def refuse(number: int) -> int:
    if number == 2:
        raise RecipeError("Not two.", hint="Three will do.")
    return number


def die(number: int) -> int:
    if number == 1:
        os._exit(9)
    return number


@pytest.fixture(scope="module", autouse=True)
def _workers_find_these_modules() -> Iterator[None]:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "engines"), str(ROOT)])
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    ray = sys.modules.get("ray")
    if ray is not None:
        ray.shutdown()


@pytest.fixture(scope="module")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run(recipe(), folder)
    return folder


ALL_ENGINES = [Local(), Local(workers=2), Ray()]


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=repr)
def test_results_come_in_the_order_of_the_shards(engine: Any) -> None:
    assert list(engine.map(square, range(7))) == [0, 1, 4, 9, 16, 25, 36]
    assert list(engine.map(square, [])) == []


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=repr)
def test_user_error_is_re_raised_unchanged(engine: Any) -> None:
    with pytest.raises(RecipeError) as caught:
        list(engine.map(refuse, range(4)))
    assert type(caught.value) is RecipeError
    assert str(caught.value) == "Not two.\n  Three will do."
    assert list(engine.map(square, [3])) == [9]  # and the engine still works


@pytest.mark.parametrize("engine", ALL_ENGINES[1:], ids=repr)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_dead_worker_is_a_user_error(engine: Any) -> None:
    with raises(UserError, engine=type(engine).__name__) as caught:
        list(engine.map(die, [0, 1]))
    assert type(caught.value) is UserError
    assert caught.value.hint
    assert len(caught.value.message.splitlines()) == 1  # no traceback
    assert list(engine.map(square, [3])) == [9]


@pytest.mark.parametrize("engine", ALL_ENGINES[1:], ids=repr)
def test_a_whole_run_has_the_same_bytes(engine: Any, local_run: Path, tmp_path: Path) -> None:
    run(recipe(), tmp_path / "run", engine)
    assert datasets(tmp_path / "run") == datasets(local_run)


@pytest.mark.parametrize("engine", ALL_ENGINES[1:], ids=repr)
def test_relative_folders_work_and_contract_errors_are_re_raised(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ContractError, match="Bright"):
        run(recipe(Shapes(count=20), score={"bright": Bright(fault="off")}), Path("run"), engine)
    assert list((tmp_path / "run").rglob("part-*.parquet"))


def test_ray_keeps_few_tasks_in_flight() -> None:
    assert list(Ray(in_flight=2, cpus=1).map(square, range(5))) == [0, 1, 4, 9, 16]


def test_missing_ray_is_an_error_with_an_install_hint() -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from assay.engines.ray import Ray\n"
        "try: list(Ray().map(abs, [1]))\n"
        "except Exception as e: print(type(e).__name__, e.hint)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.startswith("UserError ")
    assert "assay[ray]" in output


def test_engines_by_name() -> None:
    assert set(ENGINES) == {"local", "ray"}
    with pytest.raises(ValueError, match="at least 1"):
        Local(workers=0)
    with pytest.raises(UserError, match=_Absent.message):
        Ray(address="nonsense://nowhere")._connect(_Absent(), 1)


class _Absent:
    """Library of a cluster that does not exist, without the wait for it."""

    message = "Could not find any running Ray instance."

    def is_initialized(self) -> bool:
        return False

    def init(self, **arguments: object) -> None:
        raise ConnectionError(self.message)


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal, time, test_engines\n"
        "from assay.engines.local import Local\n"
        "if __name__ == '__main__':\n"
        f"    list(Local(workers=2).map(test_engines.write_pid, [{str(tmp_path)!r}] * 2))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "main.py").write_text(code)
    subprocess.run([sys.executable, str(tmp_path / "main.py")], check=False, timeout=120)
    workers = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
    assert workers
    patience = time.monotonic() + 20
    while any(map(_alive, workers)) and time.monotonic() < patience:
        time.sleep(0.1)
    assert not any(map(_alive, workers))


def write_pid(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(0.5)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
