"""TensorFlow Datasets: `mnist`, `fashion_mnist`, `cifar10`, `cifar100` and `tfds:NAME`.

A set is converted once, by this file run as a program, into the numpy files of `zoo.data.cache`;
from then on neither TensorFlow nor the prepared set is needed. Training processes therefore never
import TensorFlow for their data, whichever backend they use.
"""

import argparse
import contextlib
import difflib
import glob
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import numpy as np

from zoo.data import Dataset, cache, images
from zoo.errors import UsageError, nearest, no_split

IMAGE_SIZE = (64, 64)
# Sets of one image size up to this many bytes are cached unchanged, and resized from there.
NATIVE_BYTES = 2**30
FILES = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "cifar100": "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
}
_NAME = re.compile(r"(?P<set>\w+)(/(?P<config>[\w.+-]+))?(:(?P<version>\d+\.\d+\.\d+))?", re.ASCII)
_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


def load(name, *, split, image_size, channels, resize, data_dir=None, strict=False):
    """Loads an image set of TFDS; arguments as in `zoo.data.load`.

    Order of search: the cache; a prepared set in `data_dir`, or without it in $ZOO_DATA_DIR/tfds,
    $TFDS_DATA_DIR and ~/tensorflow_datasets; the network. Small sets of one image size keep that
    size by default, others become 64x64. Labels come from the feature `label`, if there is one.

    Returns:
        `Dataset` with images uint8 `(n, height, width, channels)`, and labels int32 `(n,)` if the
        set has any.

    Raises:
        UsageError: there is no such set, version or split; the network, TensorFlow or a place to
            store the set is missing; or the set holds no images.
    """
    source = name.removeprefix("tfds:")
    parts = _NAME.fullmatch(source)
    if not parts:
        raise UsageError(
            "Expected a TFDS set as tfds:NAME or tfds:NAME/CONFIG, optionally with :VERSION, such "
            f"as tfds:mnist:3.0.1. Received: {name!r}."
        )
    folders = _folders(data_dir)
    prepared = _find_prepared(parts, folders)
    stamp, version = None, parts["version"]
    if prepared:
        stamp, version = _stamp(prepared), os.path.basename(prepared)

    preparations = [_preparation(image_size, channels, resize), "native"]
    if image_size is None:
        preparations.append(_preparation(IMAGE_SIZE, channels, resize))
    place = ("tfds", _folder_name(parts))
    groups = [
        (*place, v, _group(split, preparation))
        for preparation in preparations
        for v in ([version] if version else _cached_versions(place))
    ]
    for group in groups:
        if entry := cache.find(group, stamp):
            break
    else:
        path = _convert_elsewhere(source, split, image_size, channels, resize, data_dir)
        entry, stamp = cache.read(path), os.path.basename(path)
        group = tuple(os.path.normpath(path).split(os.sep)[-5:-1])

    wanted = (*group[:3], _group(split, preparations[0]))
    if group != wanted and group[-1] == _group(split, "native"):
        fields = entry["fields"]
        height, width, depth = fields["image"].shape[1:]
        if (image_size or (height, width), channels or depth) != ((height, width), depth):
            resized = images.prepare_all(fields["image"], image_size, channels, resize)
            path = cache.write(
                wanted,
                stamp or entry["fingerprint"][:20],
                ({"image": part} for part in resized),
                lambda: (fields.get("label"), entry["class_names"], (), ()),
                len(fields["image"]),
            )
            entry = cache.read(path)
    return Dataset(name, **entry)


def prepared():
    """Returns a dict folder -> names such as `mnist:3.0.1`, for each existing search folder."""
    names_by_folder = {}
    for folder in filter(os.path.isdir, _folders(None)):
        # NAME/VERSION or NAME/CONFIG/VERSION.
        paths = [p for depth in ("*/*", "*/*/*") for p in glob.glob(os.path.join(folder, depth))]
        names = [os.path.relpath(path, folder) for path in paths if _is_prepared(path)]
        names_by_folder[folder] = sorted(":".join(os.path.split(name)) for name in names)
    return names_by_folder


def _preparation(image_size, channels, resize):
    if image_size is None and channels is None:
        return "native"
    how = resize if image_size else "keep"
    size = images.size_key(image_size) if image_size else "size"
    return f"{how}-{size}-{channels or 'channels'}"


def _group(split, preparation):
    return f"{urllib.parse.quote(split, safe='')}-{preparation}"


def _folder_name(parts):
    return "-".join(filter(None, (parts["set"], parts["config"])))


def _cached_versions(place):
    path = os.path.join(cache.folder(), *place)
    return _versions(path) or _versions(os.path.join(cache.writable_folder(), *place))


def _versions(path):
    """Returns the version folders in `path`, newest first."""
    try:
        names = [name for name in os.listdir(path) if _VERSION.fullmatch(name)]
    except OSError:
        return []
    return sorted(names, key=lambda name: [int(number) for number in name.split(".")], reverse=True)


def _folders(data_dir):
    """Returns the folders to search for prepared sets, in order."""
    if data_dir:
        folders = [data_dir, os.path.join(data_dir, "tfds")]
    else:
        shared = os.environ.get("ZOO_DATA_DIR")
        folders = [
            shared and os.path.join(shared, "tfds"),
            os.environ.get("TFDS_DATA_DIR"),
            os.path.join("~", "tensorflow_datasets"),
        ]
    return [os.path.abspath(os.path.expanduser(folder)) for folder in folders if folder]


def _find_prepared(parts, folders):
    """Returns the folder of a prepared set, named after its version, or None."""
    for folder in folders:
        base = os.path.join(folder, parts["set"])
        if parts["config"]:
            candidates = [os.path.join(base, parts["config"])]
        else:
            candidates = [base]
            with contextlib.suppress(OSError):
                candidates += [os.path.join(base, name) for name in sorted(os.listdir(base))]
        ready = []
        for path in candidates:
            versions = [parts["version"]] if parts["version"] else _versions(path)
            paths = [os.path.join(path, version) for version in versions]
            ready += [path for path in paths if _is_prepared(path)][:1]
        if len(ready) > 1:
            configs = [os.path.basename(os.path.dirname(path)) for path in ready]
            raise UsageError(
                f"{folder} has several configurations of {parts['set']}. Choose one with "
                f"tfds:{parts['set']}/CONFIG. Valid: {', '.join(configs)}."
            )
        if ready:
            return ready[0]
    return None


def _is_prepared(path):
    names = ("dataset_info.json", "features.json")
    return all(os.path.isfile(os.path.join(path, name)) for name in names)


def _stamp(prepared):
    """Returns a short name for the content of a prepared set: its splits, shards and bytes."""
    path = os.path.join(prepared, "dataset_info.json")
    try:
        with open(path, encoding="utf-8") as file:
            return cache.stamp_of(json.load(file)["splits"])
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"The prepared set {prepared} is damaged: {path} cannot be read ({error}). Delete the "
            "folder and start again to prepare it anew."
        ) from error


def _convert_elsewhere(source, split, image_size, channels, resize, data_dir):
    """Runs this file as a program and returns the folder of the cache entry that it wrote."""
    command = [sys.executable, "-m", "zoo.data.tfds", source, f"--split={split}"]
    command += [f"--resize={resize}"]
    command += ["--image_size={}x{}".format(*image_size)] if image_size else []
    command += [f"--channels={channels}"] if channels else []
    command += [f"--data_dir={data_dir}"] if data_dir else []
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = [package, os.environ.get("PYTHONPATH")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "ZOO_CACHE_DIR": cache.writable_folder(),
        # TensorFlow would take all memory of a GPU that the training process needs.
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    result = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    answer = (result.stdout.strip().splitlines() or [""])[-1]
    if result.returncode == 0:
        return answer
    if result.returncode == 2 and answer.startswith("error: "):
        raise UsageError(answer.removeprefix("error: "))
    raise UsageError(
        f"The conversion of {source} stopped with exit code {result.returncode} (-9 usually means "
        f"that memory ran out). Run `{shlex.join(command)}` to see why."
    )


def main(arguments=None):
    """Converts one split of a set; prints the folder of its cache entry, or `error: ...`."""
    parser = argparse.ArgumentParser(prog="python -m zoo.data.tfds", description=__doc__)
    parser.add_argument("name", help="NAME or NAME/CONFIG, optionally followed by :VERSION")
    parser.add_argument("--split", default="train", help="split or slice to convert, such as test")
    parser.add_argument("--image_size", help="HEIGHTxWIDTH in pixels, if image sizes vary")
    parser.add_argument("--channels", type=int, choices=images.CHANNELS)
    parser.add_argument("--resize", choices=images.RESIZES, default="crop")
    parser.add_argument("--data_dir", help="folder of prepared sets")
    flags = parser.parse_args(arguments)
    try:
        # TFDS prints progress, but the last line of stdout must be the answer.
        with contextlib.redirect_stdout(sys.stderr):
            size = images.parse_size(flags.image_size)
            answer = _convert(**{**vars(flags), "image_size": size})
    except UsageError as error:
        print("error:", " ".join(str(error).split()))
        return 2
    print(answer)
    return 0


def _convert(name, split, image_size, channels, resize, data_dir):
    parts = _NAME.fullmatch(name)
    if not parts:
        raise UsageError(
            f"Expected NAME or NAME/CONFIG, optionally with :VERSION. Received: {name!r}."
        )
    tfds = _import_tfds(name, _folder_name(parts))
    folders = _folders(data_dir)
    prepared = _find_prepared(parts, folders)
    if prepared:
        builder = tfds.builder_from_directory(prepared)
    else:
        target = next((path for path in folders if _is_writable(path)), folders[-1])
        builder = _download(tfds, parts, target, folders)
        prepared = os.fspath(builder.data_path)

    # A slice such as train[:10%] is valid if its split is.
    if re.match(r"\w*", split)[0] not in builder.info.splits:
        raise no_split(name, split, nearest(split, builder.info.splits))
    try:
        count = builder.info.splits[split].num_examples
    except Exception as error:
        raise UsageError(f"The split {split!r} of {name} cannot be read: {error}") from error
    if not count:
        raise UsageError(f"The split {split!r} of {name} is empty. Choose another split.")
    image_key, label_key = _features(tfds, name, builder.info.features)
    shape = builder.info.features[image_key].shape
    fixed = None not in shape and shape[-1] in (1, 3)
    if fixed and count * np.prod(shape) <= NATIVE_BYTES:
        preparation = "native"
    else:
        preparation = _preparation(image_size or IMAGE_SIZE, channels, resize)

    labels = []

    def batches():
        config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        dataset = builder.as_dataset(split=split, read_config=config, shuffle_files=False)
        batch = []
        for example in tfds.as_numpy(dataset):
            labels.append(example[label_key] if label_key else -1)
            array = images.to_8_bits(example[image_key])
            if preparation != "native":
                depth = channels or (1 if shape[-1] == 1 else 3)
                array = images.prepare(
                    images.from_array(array), image_size or IMAGE_SIZE, depth, resize
                )
            batch.append(array)
            if len(batch) == 256:
                yield {"image": np.stack(batch)}
                batch = []
        if batch:
            yield {"image": np.stack(batch)}

    def describe():
        if not labels or min(labels) < 0:
            return None, (), (), ()
        return np.array(labels), builder.info.features[label_key].names, (), ()

    group = ("tfds", _folder_name(parts), os.path.basename(prepared), _group(split, preparation))
    try:
        return cache.write(group, _stamp(prepared), batches(), describe, count, f"images of {name}")
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"The prepared set {prepared} cannot be read ({_first_line(error)}). Delete the folder "
            "and prepare it again."
        ) from error


def _import_tfds(name, folder):
    # TensorFlow's C++ always writes to file descriptor 2. Silence that, but keep Python's stderr.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        import tensorflow as tf
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UsageError(
            f"{name} is not in the cache, and preparing it needs TensorFlow and "
            f"tensorflow-datasets ({_first_line(error)}). Either `pip install tensorflow "
            f"tensorflow-datasets`, or run `python -m zoo.data.tfds {name}` on a machine that has "
            f"them, and copy the folder {os.path.join('tfds', folder)} of its cache to "
            f"{os.path.join(cache.folder(), 'tfds', folder)}."
        ) from error
    import logging

    tf.get_logger().setLevel(logging.ERROR)
    for logger in ("absl", "urllib3"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    return tfds


def _is_writable(path):
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.path.isdir(path) and os.access(path, os.W_OK)


def _download(tfds, parts, target, folders):
    name = "/".join(filter(None, (parts["set"], parts["config"])))
    builders = tfds.list_builders(with_community_datasets=False)
    if parts["set"] not in builders:
        # Not zoo.errors.nearest: TFDS has over a thousand sets.
        near = difflib.get_close_matches(parts["set"], builders, n=3, cutoff=0.5)
        guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise UsageError(
            f"TFDS has no set {parts['set']!r}, and none is prepared in {', '.join(folders)}."
            f"{guess} See all names at https://www.tensorflow.org/datasets/catalog."
        )
    version = f":{parts['version']}" if parts["version"] else ""
    try:
        builder = tfds.builder(name + version, data_dir=target)
        builder.info.features  # noqa: B018, fails here for sets that need more packages
    except Exception as error:
        raise UsageError(
            f"TFDS cannot load {name}{version}: {' '.join(str(error).split())[:500]}"
        ) from error
    _features(tfds, name, builder.info.features)
    try:
        _check_network(builder, os.path.join(target, "downloads", "manual"))
        builder.download_and_prepare()
    except Exception as error:
        files = FILES.get(name)
        by_hand = (
            f"; or put the files of {files} into {os.path.join(target, 'downloads', 'manual')} "
            "and start again"
            if files
            else ""
        )
        raise UsageError(
            f"{name} is not prepared in {', '.join(folders)} and could not be downloaded "
            f"({_first_line(error)}). Run `tfds build {name} --data_dir=DIR` on a machine with "
            f"network access and copy DIR/{parts['set']} to "
            f"{os.path.join(target, parts['set'])}{by_hand}."
        ) from error
    return builder


def _check_network(builder, manual):
    """Raises OSError if a file is missing and its server does not answer.

    TFDS itself would retry for minutes.
    """
    hosts = {}
    for url, info in (builder.url_infos or {}).items():
        if not (info.filename and os.path.exists(os.path.join(manual, info.filename))):
            hosts.setdefault(urllib.parse.urlsplit(url).netloc, url)
    for url in hosts.values():
        request = urllib.request.Request(url, method="HEAD")
        # Even an error status shows that the server answers, and TFDS requests files differently.
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=10).close()


def _features(tfds, name, features):
    """Returns the key of the image, and the key of its class or None."""
    image_keys = [key for key, value in features.items() if type(value) is tfds.features.Image]
    if not image_keys or ("image" not in image_keys and len(image_keys) > 1):
        raise UsageError(
            f"{name} is not a set of single images. Expected a feature 'image', or exactly one "
            f"image feature. Received: {', '.join(features)}."
        )
    image_key = "image" if "image" in image_keys else image_keys[0]
    if features[image_key].np_dtype not in (np.uint8, np.uint16):
        raise UsageError(
            f"The images of {name} have a dtype that cannot be used. Expected uint8 or uint16. "
            f"Received: {np.dtype(features[image_key].np_dtype).name}."
        )
    is_class = "label" in features and isinstance(features["label"], tfds.features.ClassLabel)
    return image_key, "label" if is_class else None


def _first_line(error):
    reason = getattr(error, "reason", error)
    return (str(reason).strip().splitlines() or [type(error).__name__])[0][:300]


if __name__ == "__main__":
    sys.exit(main())
