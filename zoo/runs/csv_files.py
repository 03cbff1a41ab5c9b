"""The CSV files of a run: read, added to, and cut back to where a resumed run goes on."""

import csv
import io

from zoo.files import write_atomically


def read_csv(path):
    """Returns the rows of a CSV file as dicts of str; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path, rows, names):
    """Writes rows, dicts of a value for each of `names`, in the place of what is there."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, buffer.getvalue().encode())


def append_csv(path, row):
    """Adds a row, whose keys are the columns."""
    write_csv(path, [*read_csv(path), row], list(row))


def keep_whole_epochs(path, session):
    """Drops the rows beyond the step a run goes on from, and that of a part of an epoch."""
    rows = read_csv(path)
    kept = [
        row
        for row in rows
        if int(row["step"]) <= session.step and int(row["step"]) % session.steps_per_epoch == 0
    ]
    if kept != rows:
        write_csv(path, kept, list(rows[0]))


def keep_scores(path, step, best):
    """Drops the rows of scores beyond the step a run goes on from, and returns the others.

    That of the best generator stays, because its files do.
    """
    rows = read_csv(path)
    kept = [row for row in rows if int(row["step"]) <= step or int(row["step"]) == best]
    if kept != rows:
        write_csv(path, kept, list(rows[0]))
    return kept
