"""The serving install: the image's lock and the project's wheel, without training libraries."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
TRAINING = [
    "polars",
    "sklearn",
    "xgboost",
    "scipy",
    "optuna",
    "matplotlib",
    "dataframely",
    "pyarrow",
    "jinja2",
    "rich",
    "shap",
]


@pytest.fixture(scope="session")
def environment() -> Path:
    """An environment from requirements/serving.txt, kept beside the development one."""
    subprocess.run([ROOT / "scripts/environment", ".venv-serving", "requirements/serving.txt"], cwd=ROOT, check=True)
    return ROOT / ".venv-serving"


def _run(*command: Path | str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=PATIENCE, check=False)


def test_no_training_library_is_installed(environment, tmp_path) -> None:
    """The environment has no training library, and the project is installed from its wheel."""
    code = (
        "import importlib.util, json, customer_risk.serving\n"
        f"found = [name for name in {TRAINING} if importlib.util.find_spec(name)]\n"
        "print(json.dumps([found, customer_risk.serving.__file__]))"
    )
    done = _run(environment / "bin/python", "-c", code, cwd=tmp_path)
    found, where = json.loads(done.stdout)
    assert found == []
    assert Path(where).is_relative_to(environment)


def test_serve_gives_the_same_answer_in_both_environments(environment, start, command, bundle, sound_request) -> None:
    """The same bundle gives the same decision, to the bit, in both environments."""
    answers = []
    for each in (environment / "bin/customer-risk", command):
        server = start(each, bundle)
        server.wait_for("/v2/health/ready")
        response = server.post("/ai/v1/risk", sound_request)
        assert response.status_code == 200, response.text + server.log.read_text()
        answers.append(response.json())
        server.process.terminate()
    for answer in answers:
        del answer["decision_id"], answer["decided_at"]
    assert answers[0] == answers[1]


def test_help_lists_every_command(environment, tmp_path) -> None:
    """`--help` lists every command without the training libraries."""
    done = _run(environment / "bin/customer-risk", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"serve", "train", "score", "check"} <= set(done.stdout.split())


@pytest.mark.parametrize("arguments", [["train", ".", "--out", "run"], ["check", "."], ["synth", "tables"]])
def test_a_command_of_training_names_the_extra(environment, tmp_path, arguments) -> None:
    """A command of training ends with exit code 2 and a message that names the extra, and writes nothing."""
    done = _run(environment / "bin/customer-risk", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "customer-risk[training]" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
