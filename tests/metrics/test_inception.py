"""Inception as feature extractor: its weights from a file, and what is said without them."""

import pathlib

import keras
import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.metrics.inception import inception


def tiny_inception(weights="imagenet", include_top=True, pooling=None):
    """Stands for `keras.applications.InceptionV3`; its file of weights is plain text."""
    if weights != "imagenet" and pathlib.Path(weights).read_text() != str(include_top):
        raise ValueError("Layer count mismatch\nof many lines")
    images = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(images)
    top = keras.layers.Dense(1000, activation="softmax", kernel_initializer="ones")
    return keras.Model(images, top(x) if include_top else x)


@pytest.mark.parametrize("top", [True, False])
def test_inception_takes_a_file_with_or_without_classes(tmp_path, monkeypatch, top):
    monkeypatch.setattr(keras.applications, "InceptionV3", tiny_inception)
    path = tmp_path / "weights.h5"
    path.write_text(str(top))
    extractor = inception(str(path))
    images = np.full((2, 8, 8, 1), 204, "uint8")
    vectors, probabilities = extractor.extract(images)
    np.testing.assert_allclose(vectors, np.full((2, 3), 0.6), atol=2e-3)
    assert extractor.resizer((8, 8, 1)).endswith("to 299x299")
    assert "not comparable with published FID" in extractor.comparable
    assert (probabilities is not None) == top
    assert extractor.classes == (1000 if top else None)


def test_weights_that_are_missing_or_none_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="no weights file"):
        inception(str(tmp_path / "none.h5"))
    monkeypatch.setattr(keras.applications, "InceptionV3", tiny_inception)
    (tmp_path / "bad.h5").write_text("bad")
    with pytest.raises(UsageError, match="does not hold") as caught:
        inception(str(tmp_path / "bad.h5"))
    assert "\n" not in str(caught.value)

    def offline(**_):
        raise Exception("URL fetch failure on https://...: None -- [Errno -3]")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(UsageError, match=r"put it into .*models or name it by --inception_weights"):
        inception()
