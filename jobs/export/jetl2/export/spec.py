"""What a job is asked to make: the JSON document that the API writes and the job reads."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from jetl2.export.errors import WrongSpec
from jetl2.formats import tardis
from jetl2.formats.errors import UnknownDataType


class Unit(BaseModel):
    """One file: a data type of one symbol and UTC day, perhaps clipped.

    Args:
        start_ts, end_ts: Only rows of start_ts <= local_ts < end_ts, in ns; 0 is open. Book types
            need the objects of the day from its beginning on, for the book at start_ts.
        key: Where the file goes, below the downloads' prefix.
        objects: What it is made from, keys below the lake's prefix; an object may serve many units.
        gap_objects: Gap records of the same symbol and day, for the book types and the sidecar.
    """

    model_config = ConfigDict(frozen=True)

    exchange: str = Field(min_length=1)
    data_type: str
    symbol: str = Field(min_length=1)
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    format: Literal["csv.gz"] = "csv.gz"
    start_ts: int = Field(0, ge=0)
    end_ts: int = Field(0, ge=0)
    key: str = Field(min_length=1)
    objects: tuple[str, ...]
    gap_objects: tuple[str, ...] = ()

    @field_validator("data_type")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            tardis.lake_type(value)
        except UnknownDataType as error:
            raise ValueError(str(error)) from None
        return value

    @property
    def sidecar(self) -> str:
        """Key of the object that says that the file is whole, and what it holds."""
        return f"{self.key}.json"


class Spec(BaseModel):
    """All of a job.

    Args:
        lake, downloads: s3://bucket or s3://bucket/prefix.
    """

    model_config = ConfigDict(frozen=True)

    job: str = Field(pattern=r"^[\w.-]+$")
    lake: str
    downloads: str
    units: tuple[Unit, ...]


def parse(text: str | bytes) -> Spec:
    """Return the specification.

    Raises:
        WrongSpec: Names each wrong field, with what was found there.
    """
    try:
        return Spec.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'document'}: {_found(e['msg'], e['input'])}"
            for e in error.errors()[:5]
        )
        raise WrongSpec(f"wrong specification: {problems}") from None


def _found(message: str, found: object) -> str:
    return f"{message.removeprefix('Value error, ')} (found {str(found)[:80]!r})"
