"""What to take from an exchange: names, patterns, conditions; as settings and as a file say it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Exchange
from jetl2.ingestor.errors import FeedsError

KINDS = ("spot", "perpetual", "future", "option")


class Selection(BaseModel):
    """The instruments that meet all of these conditions, and are traded now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = Field(
        default="", description="a pattern of symbols: * any characters, ? one, [ab] either"
    )
    kind: Literal["", "spot", "perpetual", "future", "option"] = ""
    base: str = ""
    quote: str = ""
    top: int = Field(
        default=0, ge=0, description="of those, as many by the volume of the last 24 h"
    )

    @model_validator(mode="after")
    def _says_something(self) -> "Selection":
        if not self.model_dump(exclude_defaults=True):
            message = f"expected one or more of {', '.join(Selection.model_fields)}"
            raise ValueError(message)
        return self

    def __str__(self) -> str:
        """Return it as a file would say it."""
        said = self.model_dump(exclude_defaults=True).items()
        return f"{{ {', '.join(f'{name} = {_toml(value)}' for name, value in said)} }}"


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _form(value: object) -> str:
    return "text" if isinstance(value, str) else "table"


# An exact symbol, a pattern, or conditions
Entry = Annotated[
    Annotated[str, Tag("text")] | Annotated[Selection, Tag("table")], Discriminator(_form)
]


class Subscription(BaseModel):
    """What to take from one exchange; no data types are all that it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbols: tuple[Entry, ...] = Field(min_length=1)
    data_types: tuple[str, ...] = Field(default=(), min_length=1)

    @field_validator("symbols", "data_types")
    @classmethod
    def _each_once(cls, values: tuple[Entry, ...]) -> tuple[Entry, ...]:
        if not all(values):
            message = "an entry is empty"
            raise ValueError(message)
        return tuple(dict.fromkeys(values))


def exchange_named(name: str) -> Exchange:
    """Return an exchange by its name or an alias.

    Raises:
        ValueError: There is none; the message lists the names.
    """
    known = adapters.load()
    for exchange in known.values():
        if name == exchange.name or name in exchange.aliases:
            return exchange
    message = f"unknown exchange {name!r}: expected one of {', '.join(known)}"
    raise ValueError(message)


def checked(given: Mapping[str, Subscription]) -> dict[str, Subscription]:
    """Return subscriptions by the exchanges' own names, each with its data types.

    Raises:
        ValueError: An exchange is not known or given twice, or cannot give what is wanted.
    """
    known: dict[str, Subscription] = {}
    for name, subscription in given.items():
        exchange = exchange_named(name)
        for data_type in subscription.data_types:
            if data_type not in exchange.channels:
                message = (
                    f"{name}: unknown data type {data_type!r}: "
                    f"expected one of {', '.join(exchange.channels)}"
                )
                raise ValueError(message)
        for entry in subscription.symbols:
            if isinstance(entry, Selection) and entry.top and not exchange.instruments.volumes:
                message = f"{name}: it does not tell volumes, so that {entry} cannot be ranked"
                raise ValueError(message)
        if exchange.name in known:
            message = f"{exchange.name} is given twice, once as {name}"
            raise ValueError(message)
        types = subscription.data_types or tuple(exchange.channels)
        known[exchange.name] = Subscription(symbols=subscription.symbols, data_types=types)
    return known


class _File(RootModel[Annotated[dict[str, Subscription], Field(min_length=1)]]):
    pass


def read(path: Path) -> dict[str, Subscription]:
    """Return what a file of feeds says.

    Raises:
        FeedsError: It cannot be read or is wrong; the message names place and problem.
    """
    try:
        return checked(_File.model_validate(tomllib.loads(path.read_text())).root)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except ValidationError as error:
        message = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'the file'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
    except ValueError as error:  # as TOML, as UTF-8, or as what exchanges offer
        message = str(error)
    raise FeedsError(message)
