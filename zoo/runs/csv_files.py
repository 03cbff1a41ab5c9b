"""The CSV files of a run: reading, appending, and cutting back to the step of a resumed run."""

import csv
import io

from zoo.files import write_atomically


def read_csv(path):
    """Returns the rows of a CSV file as dicts of str; empty if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_csv(path, rows, names):
    """Replaces the file with rows, dicts with a value for each of `names`."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, buffer.getvalue().encode())


def append_csv(path, row):
    """Appends a row. Its keys are the columns."""
    write_csv(path, [*read_csv(path), row], list(row))


def keep_whole_epochs(path, session):
    """Drops rows after the step a run resumes from, and the row of a partial epoch."""
    rows = read_csv(path)
    kept = [
        row
        for row in rows
        if int(row["step"]) <= session.step and int(row["step"]) % session.steps_per_epoch == 0
    ]
    if kept != rows:
        write_csv(path, kept, list(rows[0]))


def keep_scores(path, step, best):
    """Drops rows of scores after the step a run resumes from, and returns the others.

    The row of the best generator stays, because its files stay.
    """
    rows = read_csv(path)
    kept = [row for row in rows if int(row["step"]) <= step or int(row["step"]) == best]
    if kept != rows:
        write_csv(path, kept, list(rows[0]))
    return kept
