"""Pictures against their targets: each measure by its definition, and what it does at its ends."""

import json
import math

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.metrics.paired import feature_distance, l1, psnr, ssim


def pictures(n=3, h=20, w=24, c=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, h, w, c)).astype("uint8")


def near(images, spread=20, seed=9):
    noise = np.random.default_rng(seed).normal(0, spread, images.shape)
    return np.clip(images + noise, 0, 255).astype("uint8")


@pytest.mark.parametrize("measure", [l1, psnr, ssim])
def test_a_measure_is_the_mean_over_pictures_and_the_same_from_either_side(measure):
    a = pictures()
    b = np.concatenate([near(a[:1], 5), near(a[1:2], 30), a[2:]])
    each = [measure(a[i : i + 1], b[i : i + 1]) for i in range(3)]
    assert len(set(each)) == 3
    assert measure(a, b) == pytest.approx(np.mean(each))
    assert measure(b, a) == pytest.approx(measure(a, b))
    assert type(measure(a, b)) is float
    # The order of the pictures is what pairs them.
    assert measure(a, b[::-1]) != pytest.approx(measure(a, b), rel=1e-2)


def test_l1_is_a_share_of_the_range():
    black, white = np.zeros((2, 4, 5, 1), "uint8"), np.full((2, 4, 5, 1), 255, "uint8")
    assert l1(black, white) == l1(white, black) == 1
    assert l1(white, white) == 0
    a, b = pictures(seed=1), pictures(seed=2)
    assert l1(a, b) == pytest.approx(abs(a.astype(float) - b).mean() / 255)


def test_psnr_of_one_grey_level_is_known_and_that_of_no_error_is_a_number():
    a = np.full((2, 16, 16, 3), 100, "uint8")
    assert psnr(a, a + 1) == psnr(a + 1, a) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(a, np.zeros_like(a)) == pytest.approx(20 * math.log10(255 / 100))
    assert psnr(a, a) == 100 and json.loads(json.dumps(psnr(a, a))) == 100
    half = np.concatenate([a[:1], a[1:] + 1])
    assert psnr(a, half) == pytest.approx((100 + 48.1308) / 2, abs=1e-4)
    # So large a picture with one wrong pixel would be above what identical ones have.
    large = np.zeros((1, 400, 400, 1), "uint8")
    other = large.copy()
    other[0, 0, 0] = 1
    assert psnr(large, other) == 100


def by_the_paper(x, y):
    """SSIM of two grey pictures as Wang et al. 2004 write it, window by window."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = (a[i : i + 11, j : j + 11].astype(float) for a in (x, y))
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p, var_q = (window * (p - mean_p) ** 2).sum(), (window * (q - mean_q) ** 2).sum()
            covariance = (window * (p - mean_p) * (q - mean_q)).sum()
            values.append(
                (2 * mean_p * mean_q + first)
                * (2 * covariance + second)
                / ((mean_p**2 + mean_q**2 + first) * (var_p + var_q + second))
            )
    return np.mean(values)


def test_ssim_is_that_of_the_paper():
    a = pictures(c=2)
    b = near(a)
    expected = [by_the_paper(a[i, ..., c], b[i, ..., c]) for i in range(3) for c in range(2)]
    assert ssim(a, b) == pytest.approx(np.mean(expected), rel=1e-9)
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, 255 - a) < -0.5
    assert ssim(a[..., :1], b[..., :1]) == pytest.approx(np.mean(expected[::2]), rel=1e-9)


def test_pictures_smaller_than_the_window_have_no_ssim():
    a = pictures(h=11, w=11)
    assert 0 < ssim(a, near(a)) < 1
    with pytest.raises(UsageError, match=r"at least this size: take l1 or psnr.*Received: 10x24"):
        ssim(pictures(h=10), pictures(h=10))
    small = pictures(h=1, w=2)
    assert l1(small, small) == 0 and psnr(small, small) == 100


@pytest.mark.parametrize("measure", [l1, psnr, ssim])
@pytest.mark.parametrize(
    "other",
    [
        pictures().astype("float32"),
        pictures(n=2),
        pictures(c=1),
        pictures()[0],
        pictures()[:0],
    ],
)
def test_what_is_no_pair_of_pictures_is_refused(measure, other):
    for pair in ((pictures(), other), (other, pictures()), (other, other)):
        if pair[0] is pair[1] and other.dtype == np.uint8 and other.ndim == 4 and len(other):
            continue
        with pytest.raises(UsageError, match=r"two arrays of uint8 pictures.*Received"):
            measure(*pair)


def test_the_feature_distance_is_between_directions():
    a = np.array([[3.0, 0], [1, 1], [0, 2]])
    b = np.array([[5.0, 0], [1, 0], [-7, 0]])
    angle = 2 * math.sin(math.pi / 8)  # the chord of 45 degrees
    assert feature_distance(a, b) == pytest.approx((0 + angle + math.sqrt(2)) / 3)
    assert feature_distance(a, -a) == pytest.approx(2)
    assert feature_distance(a.astype("float32"), 4 * a) == pytest.approx(0, abs=1e-7)
    zero = np.zeros((1, 2))
    assert feature_distance(zero, zero) == 0 and feature_distance(zero, a[:1]) == 1
    assert type(feature_distance(a, b)) is float


def test_features_that_do_not_match_are_refused():
    with pytest.raises(UsageError, match=r"as many pictures on either side.*Received: 3 and 2"):
        feature_distance(np.ones((3, 2)), np.ones((2, 2)))
    with pytest.raises(UsageError, match="same dimension"):
        feature_distance(np.ones((3, 2)), np.ones((3, 4)))
    with pytest.raises(UsageError, match="NaN or infinite"):
        feature_distance(np.ones((1, 2)), np.array([[np.nan, 1]]))


def test_in_a_hole_only_its_pixels_count():
    a = pictures(n=2, h=24, w=24)
    b = near(a)
    hole = np.zeros((2, 24, 24), bool)
    hole[0, 6:14, 8:16] = hole[1, 10:20, 3:9] = True
    outside = np.where(hole[..., np.newaxis], b, pictures(n=2, h=24, w=24, seed=5))
    assert psnr(a, outside, hole) == psnr(a, b, hole) == psnr(b, a, hole)
    each = [np.square(x[h].astype(float) - y[h]).mean() for x, y, h in zip(a, b, hole, strict=True)]
    assert psnr(a, b, hole) == pytest.approx(np.mean(10 * np.log10(255**2 / np.array(each))))
    assert psnr(a, a, hole) == 100 and ssim(a, a, hole) == pytest.approx(1)
    everywhere = np.ones_like(hole)
    assert psnr(a, b, everywhere) == psnr(a, b)
    assert ssim(a, b, everywhere) == pytest.approx(ssim(a, b))
    # One window of SSIM: that around the only pixel of the hole.
    single = np.zeros_like(hole)
    single[:, 9, 11] = True
    assert ssim(a, b, single) == pytest.approx(ssim(a[:, 4:15, 6:17], b[:, 4:15, 6:17]))


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_a_hole_that_cannot_be_measured_is_one_sentence(measure):
    a = pictures(n=2)
    for hole in (np.ones((2, 20), bool), np.ones((2, 20, 24)), np.zeros((2, 20, 24), bool)):
        with pytest.raises(UsageError, match=r"Expected.*hole"):
            measure(a, a, hole)
