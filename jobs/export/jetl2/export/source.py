"""The rows of many units as one Spark data frame: each object read once, its rows given to its units."""

from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from jetl2.export import rebuild
from jetl2.export.spec import Unit
from jetl2.export.store import Folder
from jetl2.formats import tardis


def rows(spark: SparkSession, units: Mapping[int, Unit], lake: Folder) -> DataFrame | None:
    """Return the rows of units, all of a unit in one partition and in `rebuild.ORDER`.

    Columns are UNIT, KIND and those of the units' kinds of record. None when there is no object.
    """
    units_by_url_by_kind: dict[str, dict[str, set[int]]] = {}
    for number, unit in units.items():
        _add(units_by_url_by_kind, tardis.lake_type(unit.data_type), unit.objects, lake, number)
        _add(units_by_url_by_kind, "gap", unit.gap_objects, lake, number)
    united: DataFrame | None = None
    for kind, units_by_url in units_by_url_by_kind.items():
        frame = _read(spark, kind, units_by_url)
        united = united.unionByName(frame, allowMissingColumns=True) if united else frame
    if united is None:
        return None
    order = [F.desc(c.split()[0]) if " desc" in c else F.asc(c) for c in rebuild.ORDER]
    missing = [c for c in ("side", "level") if c not in united.columns]
    united = united.withColumns({c: F.lit(None).cast("int") for c in missing})
    return united.repartition(len(units), rebuild.UNIT).sortWithinPartitions(*order)


def _add(
    units_by_url_by_kind: dict[str, dict[str, set[int]]],
    kind: str,
    objects: Iterable[str],
    lake: Folder,
    number: int,
) -> None:
    for name in objects:
        units_by_url = units_by_url_by_kind.setdefault(kind, {})
        units_by_url.setdefault(lake.url(name), set()).add(number)


def _read(spark: SparkSession, kind: str, units_by_url: Mapping[str, set[int]]) -> DataFrame:
    columns = rebuild.columns_by_kind[kind]
    schema = ", ".join(f"`{name}` {type_}" for name, type_ in columns.items())
    # The schema is ours, and the folders' columns are not wanted: nothing to look up or to guess
    reader = spark.read.schema(schema).option("recursiveFileLookup", "true")
    read = reader.parquet(*units_by_url).withColumn("url", F.col("_metadata.file_path"))
    asked = [
        (spelling, number)
        for url, numbers in units_by_url.items()
        for spelling in _spellings(spark, url)
        for number in numbers
    ]
    wanted = F.broadcast(spark.createDataFrame(asked, f"url string, {rebuild.UNIT} int"))
    named = read.join(wanted, "url").drop("url")
    return named.withColumn(rebuild.KIND, F.lit(kind))


def _spellings(spark: SparkSession, url: str) -> set[str]:
    """Return a URL as Spark may name it in rows: as given, and escaped once more ("%2F", "%252F")."""
    jvm: Any = spark.sparkContext._jvm  # noqa: SLF001 - there is no other way to it
    path = jvm.org.apache.hadoop.fs.Path(url)
    return {url, str(path.toUri().toString())}
