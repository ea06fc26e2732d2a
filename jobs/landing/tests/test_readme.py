"""The README's table is the settings."""

from pathlib import Path

from jetl2.landing.settings import PREFIX, Settings
from jetl2.runtime.settings import table

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_lists_each_setting_with_its_default() -> None:
    text = README.read_text()

    for variable, default, meaning in table(Settings, PREFIX):
        row = next((n for n in text.splitlines() if n.startswith(f"| `{variable}` |")), "")
        assert row, f"{variable} is missing"
        assert not default or f"`{default}`" in row, f"{variable}: the default is {default}"
        assert meaning in row, f"{variable}: it means {meaning}"
