"""CycleGAN as in the official Keras example, trained for a budget of CPU time and scored like ours.

python -m benchmarks.references.keras_cyclegan FOLDER OUT --cpu_seconds=1800 --results=rows.csv

After https://keras.io/examples/generative/cyclegan (Apache 2.0): networks, losses, optimizers and
preparation of the pictures are the example's. What differs:

- instance normalisation is `GroupNormalization(groups=-1)`: the example takes its own from
  tensorflow_addons, which this TensorFlow does not have.
- reflection padding is `ops.pad`, which computes the same, so that the files load with Keras alone.
- the pictures come from a folder of trainA and trainB and have 128 pixels instead of 256: they are
  enlarged from 128 to 143, not from 256 to 286, before the crop.
- training ends when the CPU time is used up.
"""

import argparse
import os
import pathlib
import shlex
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.data import images
from zoo.errors import UsageError
from zoo.scoring import results, translation

SIZE, ENLARGED = 128, 143
CYCLE, IDENTITY = 10.0, 5.0


def build_generator():
    picture = keras.Input((SIZE, SIZE, 3))
    x = _normal(_padded(picture, 3), 64, 7)
    for channels in (128, 256):
        x = _normal(x, channels, 3, 2, "same")
    for _ in range(9):
        y = _normal(_padded(x, 1), 256, 3)
        y = _normal(_padded(y, 1), 256, 3, activation=None)
        x = layers.add([x, y])
    for channels in (128, 64):
        x = _normal(x, channels, 3, 2, "same", layers.Conv2DTranspose)
    x = layers.Conv2D(3, 7)(_padded(x, 3))
    return keras.Model(picture, layers.Activation("tanh")(x))


def build_discriminator():
    picture = keras.Input((SIZE, SIZE, 3))
    leaky = layers.LeakyReLU(0.2)
    x = leaky(layers.Conv2D(64, 4, 2, "same", kernel_initializer=_initial())(picture))
    for channels, stride in ((128, 2), (256, 2), (512, 1)):
        x = _normal(x, channels, 4, stride, "same", activation=leaky)
    return keras.Model(
        picture, layers.Conv2D(1, 4, padding="same", kernel_initializer=_initial())(x)
    )


class CycleGAN(keras.Model):
    """The example's game. Its networks are called as there: gen_G from a to b, gen_F back."""

    def __init__(self):
        super().__init__()
        self.gen_G, self.gen_F = build_generator(), build_generator()
        self.disc_X, self.disc_Y = build_discriminator(), build_discriminator()

    def compile(self):
        super().compile()
        self.optimizers = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(4)]

    def train_step(self, data):
        x, y = data
        mae, mse = keras.losses.MeanAbsoluteError(), keras.losses.MeanSquaredError()
        with tf.GradientTape(persistent=True) as tape:
            fake_y, fake_x = self.gen_G(x, training=True), self.gen_F(y, training=True)
            back_x, back_y = self.gen_F(fake_y, training=True), self.gen_G(fake_x, training=True)
            same_x, same_y = self.gen_F(x, training=True), self.gen_G(y, training=True)
            judged = [
                (self.disc_X(x, training=True), self.disc_X(fake_x, training=True)),
                (self.disc_Y(y, training=True), self.disc_Y(fake_y, training=True)),
            ]
            loss_x, loss_y = (
                0.5 * (mse(tf.ones_like(real), real) + mse(tf.zeros_like(fake), fake))
                for real, fake in judged
            )
            loss_f, loss_g = (
                mse(tf.ones_like(fake), fake) + CYCLE * mae(real, back) + IDENTITY * mae(real, same)
                for (_, fake), real, back, same in zip(
                    judged, (x, y), (back_x, back_y), (same_x, same_y), strict=True
                )
            )
        networks = (self.gen_G, self.gen_F, self.disc_X, self.disc_Y)
        losses = (loss_g, loss_f, loss_x, loss_y)
        for network, loss, optimizer in zip(networks, losses, self.optimizers, strict=True):
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply(gradients, network.trainable_variables)
        return {"G": loss_g, "F": loss_f, "X": loss_x, "Y": loss_y}


class _Spent(Exception):
    pass


class Budget(keras.callbacks.Callback):
    """Ends the training after a budget of CPU time of this process, counted from its first step."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.steps = seconds, 0

    def on_train_begin(self, logs=None):
        self.start = time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self.spent = time.process_time() - self.start
        if self.spent >= self.seconds:
            raise _Spent


def pictures(folder):
    """Returns a folder's pictures as the example trains on them: jittered once, then kept."""
    paths = sorted(path for path in pathlib.Path(folder).iterdir() if path.is_file())
    read = [images.prepare(images.open_picture(p), (SIZE, SIZE), 3, "crop") for p in paths]

    def prepared(image):
        image = tf.image.resize(tf.image.random_flip_left_right(image), [ENLARGED, ENLARGED])
        return tf.cast(tf.image.random_crop(image, [SIZE, SIZE, 3]), tf.float32) / 127.5 - 1.0

    dataset = tf.data.Dataset.from_tensor_slices(tf.stack(read)).map(prepared)
    return dataset.cache().shuffle(256).batch(1)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="trainA, trainB, testA and testB")
    parser.add_argument("out", help="where the networks are written")
    parser.add_argument("--cpu_seconds", type=float, default=1800.0)
    parser.add_argument("--results", help="CSV file to which the scores are appended")
    flags = parser.parse_args(argv)
    keras.utils.set_random_seed(0)
    model, budget = CycleGAN(), Budget(flags.cpu_seconds)
    model.compile()
    data = tf.data.Dataset.zip(tuple(pictures(f"{flags.folder}/{d}") for d in ("trainA", "trainB")))
    try:
        model.fit(data.repeat(), epochs=10**6, steps_per_epoch=100, verbose=0, callbacks=[budget])
    except _Spent:
        print(f"{budget.steps:,} steps in {budget.spent:,.0f} CPU seconds")
    out = pathlib.Path(flags.out)
    out.mkdir(parents=True, exist_ok=True)
    model.gen_G.save(out / "a_to_b.keras")
    model.gen_F.save(out / "b_to_a.keras")
    record, judged = translation.evaluate(out, None, f"domains:{flags.folder}", 0, {})
    record["protocol"]["command"] = shlex.join(
        ["python", "-m", "benchmarks.references.keras_cyclegan", *(argv or sys.argv[1:])]
    )
    for name, value in record["scores"].items():
        print(f"{name:20} {value:.4g}")
    judged.config |= {"model": "keras.io CycleGAN", "backend": "tensorflow", "seed": 0}
    if flags.results:
        spent = f"{flags.cpu_seconds:.0f} CPU seconds"
        results.append_rows(
            flags.results, results.rows(record, judged, f"domains:{flags.folder}", spent)
        )


def _initial():
    return keras.initializers.RandomNormal(0.0, 0.02)


def _padded(x, pixels):
    sides = (pixels, pixels)
    return ops.pad(x, ((0, 0), sides, sides, (0, 0)), mode="reflect")


def _normal(x, channels, size, stride=1, padding="valid", layer=layers.Conv2D, activation="relu"):
    """A convolution without bias, instance normalisation, an activation."""
    x = layer(channels, size, stride, padding, use_bias=False, kernel_initializer=_initial())(x)
    x = layers.GroupNormalization(-1, epsilon=1e-3, gamma_initializer=_initial())(x)
    return x if activation is None else layers.Activation(activation)(x)


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(f"error: {error}")
