"""Settings from the environment; a wrong one ends the process with one line that names it."""

import difflib
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal, NoReturn, TypeVar

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

EXIT_WRONG_SETTING = 2

S = TypeVar("S", bound=BaseSettings)


class ServiceSettings(BaseSettings):
    """What every service can be told; each adds its own fields to a subclass."""

    model_config = SettingsConfigDict(frozen=True)

    bootstrap_servers: str = Field("localhost:9092", description="Kafka brokers, host:port,...")
    http_host: str = Field("127.0.0.1", description="where /healthz, /readyz and /metrics listen")
    http_port: int = Field(0, ge=0, le=65535, description="their port; 0 takes a free one")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, else JSON"
    )


def read(settings: type[S], prefix: str) -> S:
    """Return the settings of a package from the environment, or end the process.

    Args:
        settings: A BaseSettings class; each field may carry an example: `Field(examples=[...])`.
            What a field with `json_schema_extra={"secret": True}` was given is never shown.
        prefix: Put before the upper-case field name, such as "JETL2_INGESTOR_".

    Raises:
        SystemExit: Code 2; a line on standard error names each wrong variable.
    """
    _warn_of_misspelt(settings, prefix)
    try:
        return settings(_env_prefix=prefix)
    except ValidationError as error:
        for problem in error.errors():
            sys.stderr.write(_line(settings, prefix, problem) + "\n")
        raise SystemExit(EXIT_WRONG_SETTING) from None
    except SettingsError as error:
        # Only the message names the field whose JSON could not be read
        found = re.search(r'field "(\w+)"', str(error))
        name = found[1] if found else ""
        variable = f"{prefix}{name}".upper()
        why = f"not valid JSON: {error.__cause__}"
        refuse(variable, why, example(settings, name), shown=not _secret(settings, name))


def refuse(variable: str, problem: str, example: str = "", *, shown: bool = True) -> NoReturn:
    """End the process because of one wrong setting: one line, exit code 2.

    Args:
        shown: With the value that was given.
    """
    sys.stderr.write(_message(variable, problem, example, shown=shown) + "\n")
    raise SystemExit(EXIT_WRONG_SETTING)


def example(settings: type[BaseSettings], name: str) -> str:
    """Return how a value of a field may look in the environment, "" where none is known."""
    field = settings.model_fields.get(name)
    if field is None:
        return ""
    return _text(field.examples[0]) if field.examples else default(field)


def default(field: FieldInfo) -> str:
    """Return the default of a field as one would write it in the environment; "" for none."""
    return "" if field.is_required() else _text(field.get_default(call_default_factory=True))


def table(settings: type[BaseSettings], prefix: str) -> list[tuple[str, str, str]]:
    """Return (variable, default, meaning) of each setting, in the order of declaration."""
    return [
        (f"{prefix}{name}".upper(), default(field), field.description or "")
        for name, field in settings.model_fields.items()
    ]


def _line(settings: type[BaseSettings], prefix: str, problem: Mapping[str, Any]) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    inner = ".".join(str(part) for part in problem["loc"][1:])
    text = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "missing" and not inner:
        text = "is not set"
    return _message(
        f"{prefix}{name}".upper(),
        f"{inner}: {text}" if inner else text,
        example(settings, name),
        shown=not _secret(settings, name),
    )


def _secret(settings: type[BaseSettings], name: str) -> bool:
    field = settings.model_fields.get(name)
    more = field.json_schema_extra if field else None
    return isinstance(more, dict) and bool(more.get("secret"))


def _message(variable: str, problem: str, example: str, *, shown: bool = True) -> str:
    given = os.environ.get(variable) if shown else None
    if given is not None and len(given) > 200:
        given = given[:200] + "..."
    value = f"={given!r}" if given is not None else ""
    problem = " ".join(problem.split())
    return f"{variable}{value}: {problem}" + (f" (example: {example})" if example else "")


def _warn_of_misspelt(settings: type[BaseSettings], prefix: str) -> None:
    # Only near misses: Kubernetes adds variables of its own under a service's name
    known = {f"{prefix}{name}".upper() for name in settings.model_fields}
    for variable in sorted(v for v in os.environ if v.startswith(prefix) and v not in known):
        close = difflib.get_close_matches(variable, known, n=1, cutoff=0.9)
        if close:
            sys.stderr.write(f"{variable}: not a setting, ignored; meant {close[0]}?\n")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, default=str)
