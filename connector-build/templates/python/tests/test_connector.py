"""tests/*.yaml, run by pytest: against the built component, in the sandbox of a host."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent


def _cases() -> list[dict[str, Any]]:
    program = os.environ.get("FLOWFORGE", "flowforge")
    command = [program, "--output", "json", "connector", "test", str(FOLDER)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return list(json.loads(ran.stdout)["cases"])
    except ValueError:
        raise RuntimeError(ran.stderr or ran.stdout) from None


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case['file']}:{case['line']} {case['name']}")
def test_connector(case: dict[str, Any]) -> None:
    assert case["passed"], "\n".join([*case["problems"], *case["log"]])
