"""Where written files lie, what they may not replace, and how they take the place of older ones."""

import os

from zoo.errors import UsageError


def folder_of(source, *names):
    """Returns the folder to write to by default: in a run directory, or here for a network file."""
    return os.path.join(source if os.path.isdir(source) else "", *names)


def check_free(paths, overwrite, inputs=()):
    """Raises UsageError if a picture that is given, or unasked another file, would be replaced.

    Args:
        paths: list of str, the files to write.
        overwrite: bool, whether they may replace others.
        inputs: the files that are read, which nothing replaces.
    """
    given = {os.path.realpath(path) for path in inputs}
    for path in paths:
        if os.path.realpath(path) in given:
            raise UsageError(
                f"{path} is one of the pictures given and would be replaced, so nothing was "
                "written. Choose another --out."
            )
    existing = [] if overwrite else [path for path in paths if os.path.exists(path)]
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UsageError(
            f"{existing[0]}{more} would be replaced, and nothing was written. Choose another "
            "--out, or allow it with --overwrite."
        )


def is_artefact(path, format):
    """Returns whether what exists at a path can be an artefact of a format."""
    if format == "savedmodel":
        return os.path.isfile(os.path.join(path, "saved_model.pb"))
    if format == "serving":
        return os.path.isdir(path) and bool(versions(path) or not os.listdir(path))
    if format == "web":
        return os.path.isfile(os.path.join(path, "index.html"))
    return os.path.isfile(path)


def put_in_place(new, path, replaced):
    """Moves a file or folder to `path`; an older folder goes to `replaced` first."""
    if not os.path.isdir(path):
        os.replace(new, path)
        return
    # A folder cannot replace another in one step.
    os.rename(path, replaced)
    try:
        os.rename(new, path)
    except OSError:
        os.rename(replaced, path)
        raise


def size(path):
    """Returns the bytes of a file, or of all files in a folder."""
    files = [path]
    if os.path.isdir(path):
        files = [os.path.join(folder, f) for folder, _, names in os.walk(path) for f in names]
    return sum(os.path.getsize(file) for file in files)


def next_version(folder):
    """Returns the path of the next numbered folder in one; a server then loads that version."""
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, str(max([0, *versions(folder)]) + 1))


def versions(folder):
    """Returns the numbers that folders or files in a folder have as names."""
    return [int(name) for name in os.listdir(folder) if name.isdecimal()]
