"""A trained game as a folder that model hubs take."""

import os
import pathlib
import shutil
import tempfile

import keras

from zoo import cards, keras_files
from zoo.errors import UsageError
from zoo.tasks.task import task_of

# Keras writes the first two of every model that it saves as a folder.
MARKS = ("config.json", "metadata.json")


def save(gan, folder, overwrite=False):
    """Writes what `Game.save_to_preset` says, complete or not at all."""
    folder = pathlib.Path(folder).absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"A preset is a folder, and {folder} is a file. Choose another name.")
    if folder.is_dir() and any(folder.iterdir()):
        ours = all((folder / name).is_file() for name in MARKS)
        if not (ours and overwrite):
            why = "pass overwrite=True" if ours else "it holds something else, so move it away"
            raise UsageError(
                f"The folder {folder} is not empty, and nothing was written. Choose another, or "
                f"{why}."
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
    try:
        keras.saving.save_model(gan, part, zipped=False)
        for name in gan.averaged:
            keras_files.save(gan.inference_network(name), part / f"{name}.keras")
        draws_noise = not task_of(gan.task).translates
        if draws_noise:
            gan.show().save(part / "samples.png")
        card = _card(gan, folder.name, draws_noise)
        (part / "README.md").write_text(card, encoding="utf-8")
        part.chmod(0o777 & ~_umask())
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return str(folder)


def _card(gan, name, has_picture):
    model = type(gan).__module__.rpartition(".")[2]
    settings = "\n".join(f"| {setting} | {value} |" for setting, value in gan.get_config().items())
    networks = "\n".join(f'keras.models.load_model("{n}.keras")' for n in gan.averaged)
    picture = "![samples](samples.png)\n\n" if has_picture else ""
    return f"""{cards.head(name, model, gan.task)}
# {name}

{picture}`{type(gan).__name__}` of the GAN zoo for Keras (`pip install keras-gan-zoo`), on
TensorFlow, JAX or PyTorch. The whole model, which trains on:

```python
import zoo

gan = zoo.load("hf://USER/{name}")  # or the path of this folder
```

What it draws with, by Keras alone:

```python
{networks}
```

| setting | value |
| --- | --- |
{settings}

Its author has not said yet what it was trained on, how well it does, or under which licence it
may be used.
"""


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
