"""Where exported files lie, and how new ones take the place of older ones."""

import os


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
