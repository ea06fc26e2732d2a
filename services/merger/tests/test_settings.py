"""The README's table is that of the settings, and wrong ones are named."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jetl2.merger.settings import Settings
from jetl2.runtime.settings import table

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_lists_every_setting_with_its_default() -> None:
    told = re.findall(
        r"^\| `(JETL2_MERGER_\w+)` \| (?:`(.*?)`)? ?\|", README.read_text(), re.MULTILINE
    )

    assert told == [(name, default) for name, default, _ in table(Settings, "JETL2_MERGER_")]


@pytest.mark.parametrize(
    "variable,value",
    [
        ("JETL2_MERGER_GUARD_MS", "200"),
        ("JETL2_MERGER_TRANSACTION_TIMEOUT_MS", "4999"),
        ("JETL2_MERGER_CHANGELOG", "anything"),
        ("JETL2_MERGER_EXCHANGES", '["nasdaq"]'),
        ("JETL2_MERGER_CRASH_AT", "nowhere:1"),
        ("JETL2_MERGER_CRASH_AT", "begun:0"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(variable: str, value: str) -> None:
    nobody = {"JETL2_MERGER_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    path = os.pathsep.join(sys.path)
    env = {**os.environ, **nobody, "PYTHONPATH": path, variable: value}
    command = [sys.executable, "-m", "jetl2.merger"]
    ended = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith(variable)
    assert ended.stderr.count("\n") == 1
