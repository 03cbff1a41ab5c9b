"""GAN: the game. Compile, the alternating step, the averaged generator, sampling, configuration."""

import contextlib
import functools
import inspect

import keras
import numpy as np
from keras import ops

from zoo import backend, sampling
from zoo.errors import UsageError, check, one_of
from zoo.layers import MinibatchStdDev, folded
from zoo.optimizers import OptimizerPair
from zoo.parts import augmentation
from zoo.parts import losses, penalties

OPTIMIZERS = ("adam", "rmsprop", "sgd")
DECAYS = ("linear", "cosine")
COMBINATIONS = ("mean", "max", "softmax")


class GAN(keras.Model):
    """Base of every variant: two networks and the step that trains them in turn.

    A variant implements `build_generator` and `build_discriminator`, each returning a functional
    model of stock Keras layers, and overrides what else differs in its game. Its constructor names
    its own settings, keeps each as an attribute of the same name, passes the rest on, and ends with
    `self.build_networks()`.

    One training step (Goodfellow et al. 2014, algorithm 1) is `n_critic` discriminator updates,
    each on its own real minibatch and fresh noise, then one generator update. The samples of the
    batch handed to the step are dealt out to the `n_critic` minibatches in turn. The last
    discriminator update and the generator update share one generator forward pass.

    Under several replicas (TensorFlow's strategies, Keras's DataParallel on JAX) a batch is that of
    all of them together, and the step is the one that a single replica would take with it.

    Real samples are float32 in the range the generator draws in ([-1, 1] for images, NHWC), or
    uint8 images, which the step maps to [-1, 1] on the device. Labels are int32 `(batch,)`.

    Args:
        image_shape: (height, width, channels) of an image, or the shape of one sample.
        latent_dim: int, size of the noise `z`, drawn from N(0, 1).
        loss: str, a name in `zoo.parts.losses.LOSSES`.
        label_smoothing: float in [0, 0.5), taken off the target 1 of real samples, where the loss
            has one (Salimans et al. 2016, section 3.4).
        penalty: str or None, a name in `zoo.parts.penalties.PENALTIES`, added to the
            discriminator's loss.
        penalty_weight: float, its weight: the paper's gamma or lambda.
        penalty_every: int, of every how many-th sample of a minibatch the penalty is computed: the
            same in the mean for a fraction of the work, like the lazy penalty of Karras et al.
            2020, StyleGAN2, appendix B, which is computed in every how many-th step.
        weight_clip: float or None, to which the discriminator's weights are clipped after each of
            its updates (WGAN, Arjovsky et al. 2017, algorithm 1; 0.01 there).
        gradient_clip: float or None, to which the norm of all gradients of a network together is
            clipped before each of its updates.
        instance_noise: float, deviation of the normal noise on everything the discriminator sees,
            falling linearly to 0 (Sonderby et al. 2017).
        instance_noise_images: float, images until it is 0.
        augment: str, transformations of all images the discriminator sees, real and generated
            alike, separated by commas: color, flip, scaling, rotation, translation, cutout (Zhao
            et al. 2020, DiffAugment). Empty for none.
        augment_strength: float in [0, 1], with which probability each is applied to an image; the
            start value where it adapts.
        augment_target: float or None. The mean sign of D(real) at which the adaptive strength
            holds still (Karras et al. 2020, ADA; 0.6 there). None: the strength does not adapt.
        packing: int, samples the discriminator judges at once, stacked along the channels (Lin et
            al. 2018, PacGAN).
        minibatch_std: int, size of the groups of samples whose deviation the discriminator is told
            (Karras et al. 2018, section 3; 4 there). 0 for none.
        discriminators: int, discriminators that play against the one generator, each with its own
            weights (Durugkar et al. 2017, GMAN).
        combination: "mean", "max" or "softmax", of the generator's losses against each of several
            discriminators: their mean, that against the best of them, or their mean weighted by
            softmax(combination_sharpness * losses) (Durugkar et al. 2017, sections 3.1 and 4.1).
        combination_sharpness: float, lambda there; at 0 the softmax is the mean.
        n_critic: int, discriminator updates per generator update.
        accumulate: int, parts in which the gradient of a minibatch is computed one after the other
            and averaged, so that only a part's activations are in memory. The step is the same up
            to rounding where no layer and no loss looks at several samples at once. The generator's
            forward pass is run twice.
        optimizer: "adam", "rmsprop" or "sgd", for both networks.
        learning_rate: float, step size of the generator, and of the discriminator too unless
            `discriminator_learning_rate` is given.
        discriminator_learning_rate: float or None (two time-scale update rule, Heusel et al. 2017).
        decay: "linear" or "cosine", how both learning rates fall to a hundredth of themselves.
        decay_steps: int, steps (generator updates) over which they do, and after which they stay
            there: about the length of the training. 0 for constant rates.
        beta_1: float, Adam's decay of the first moment.
        beta_2: float, Adam's decay of the second moment; RMSprop's of the squared gradient.
        ema_half_life: float, images after which a past generator's share in the averaged one has
            halved; 0 turns averaging off.
        ema_ramp_up: float, the half-life is at most this share of the images seen so far, so that
            the first, untrained generators are soon forgotten (Karras et al. 2020, ADA).
        seed: int, from which noise and initial weights are drawn.
        name: str or None, name of the model.
        dtype: dtype policy, "float32", "mixed_bfloat16" or "mixed_float16"; by default the global
            one. In mixed_float16 both players' losses are scaled (Micikevicius et al. 2018, section
            3.2), each by a factor that adapts: a step whose gradient overflows is left out.

    Attributes:
        num_classes: int or None, classes the generator can be asked for.
        h5_names: names of the generator's and the discriminator's `.h5` file where a variant has
            its own for them, or None.

    Raises:
        UsageError: an argument is out of range.
    """

    num_classes = None
    h5_names = None

    def __init__(
        self,
        image_shape: tuple = (28, 28, 1),
        *,
        latent_dim: int = 100,
        loss: str = "non_saturating",
        label_smoothing: float = 0.0,
        penalty: str | None = None,
        penalty_weight: float = 10.0,
        penalty_every: int = 1,
        weight_clip: float | None = None,
        gradient_clip: float | None = None,
        instance_noise: float = 0.0,
        instance_noise_images: float = 500_000.0,
        augment: str = "",
        augment_strength: float = 1.0,
        augment_target: float | None = None,
        packing: int = 1,
        minibatch_std: int = 0,
        discriminators: int = 1,
        combination: str = "mean",
        combination_sharpness: float = 1.0,
        n_critic: int = 1,
        accumulate: int = 1,
        optimizer: str = "adam",
        learning_rate: float = 2e-4,
        discriminator_learning_rate: float | None = None,
        decay: str = "linear",
        decay_steps: int = 0,
        beta_1: float = 0.5,
        beta_2: float = 0.999,
        ema_half_life: float = 5000.0,
        ema_ramp_up: float = 0.1,
        seed: int = 0,
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if self.dtype_policy.variable_dtype == "float16":
            raise UsageError(
                "Weights of float16 are not supported: most updates are too small to change them. "
                "Expected dtype float32, mixed_bfloat16 or mixed_float16. "
                f"Received: {self.dtype_policy.name!r}."
            )
        self.image_shape = tuple(int(n) for n in image_shape)
        self.latent_dim = check("latent_dim", latent_dim, 1)
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.objective = losses.get(loss, label_smoothing)
        self.penalty = penalty
        self.penalise = penalties.get(penalty) if penalty else None
        self.penalty_weight = check("penalty_weight", penalty_weight, 0.0)
        self.penalty_every = check("penalty_every", penalty_every, 1)
        self.weight_clip = weight_clip and check("weight_clip", weight_clip, 1e-6)
        self.gradient_clip = gradient_clip and check("gradient_clip", gradient_clip, 1e-6)
        self.instance_noise = check("instance_noise", instance_noise, 0.0)
        self.instance_noise_images = check("instance_noise_images", instance_noise_images, 1.0)
        self.augment = augment
        self.policy = augmentation.parse(augment)
        self.augment_strength = check("augment_strength", augment_strength, 0.0, 1.0)
        self.augment_target = augment_target
        if augment_target is not None:
            check("augment_target", augment_target, -1.0, 1.0)
        if self.policy and len(self.image_shape) != 3:
            raise UsageError(
                "Augmentation transforms images. Expected augment='' for samples of the shape "
                f"{self.image_shape}. Received: augment={augment!r}."
            )
        self.packing = check("packing", packing, 1)
        self.minibatch_std = check("minibatch_std", minibatch_std, 0)
        self.discriminators = check("discriminators", discriminators, 1)
        self.combination = one_of("combination", combination, COMBINATIONS)
        self.combination_sharpness = check("combination_sharpness", combination_sharpness, 0.0)
        self.n_critic = check("n_critic", n_critic, 1)
        self.accumulate = check("accumulate", accumulate, 1)
        self.optimizer_name = one_of("optimizer", optimizer, OPTIMIZERS)
        self.learning_rate = check("learning_rate", learning_rate, 0.0, 10.0)
        self.discriminator_learning_rate = discriminator_learning_rate
        if discriminator_learning_rate is not None:
            check("discriminator_learning_rate", discriminator_learning_rate, 0.0, 10.0)
        self.decay = one_of("decay", decay, DECAYS)
        self.decay_steps = check("decay_steps", decay_steps, 0)
        self.beta_1 = check("beta_1", beta_1, 0.0, 0.9999)
        self.beta_2 = check("beta_2", beta_2, 0.0, 0.9999999)
        self.ema_half_life = check("ema_half_life", ema_half_life, 0.0)
        self.ema_ramp_up = check("ema_ramp_up", ema_ramp_up, 0.0)
        self.seed = check("seed", seed, 0)
        self.noise = keras.random.SeedGenerator(seed)
        self._kernel_seeds = np.random.default_rng(seed)
        names = ["loss", "d_loss", "g_loss", "d_real", "d_fake"]
        if self.adapts:
            names.append("augment_strength")
        if self.scales_losses:
            names.append("loss_scale")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}

    @property
    def adapts(self):
        """Whether the strength of the augmentation follows the discriminator's overfitting."""
        return bool(self.policy) and self.augment_target is not None

    @property
    def scales_losses(self):
        """Whether the losses are scaled, as the small range of float16 needs."""
        return self.dtype_policy.compute_dtype == "float16"

    # Networks

    def build_generator(self):
        """Returns the generator: functional, stock layers, input named `z`."""
        raise NotImplementedError(f"{type(self).__name__} must implement build_generator().")

    def build_discriminator(self):
        """Returns the discriminator: functional, from a sample to one float32 logit."""
        raise NotImplementedError(f"{type(self).__name__} must implement build_discriminator().")

    def build_networks(self):
        """Creates the networks and the averaged generator; a variant's constructor ends with it."""
        with _dtype_policy(self.dtype_policy):
            self.generator = self.build_generator()
            self.discriminator = self.build_discriminators()
            self.ema_generator = self.build_generator()
        self.ema_generator.trainable = False
        self.ema_generator.set_weights(self.generator.get_weights())
        for network in (self.generator, *self.discriminator_networks):
            backend.prepare(network)
        if self.adapts:
            self.strength = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(self.augment_strength),
                trainable=False,
                name="augment_strength",
                aggregation="mean",
            )
        # Counts the steps whose losses were finite, so that the first bad one can be named without
        # looking at every step from Python.
        self.finite_steps = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            name="finite_steps",
            aggregation="only_first_replica",
        )
        self.built = True

    def compared(self, x):
        """Tells features `x` of a discriminator how much samples differ, where that is asked for.

        A variant calls it before its last layers.
        """
        if not self.minibatch_std:
            return x
        return MinibatchStdDev(self.minibatch_std, name="minibatch_std")(x)

    def build_discriminators(self):
        """Returns what the game has as discriminator: one, or several behind the inputs of one.

        Several give logits `(batch, discriminators)`.
        """
        if self.discriminators == 1:
            return self.build_discriminator()
        networks = [self.build_discriminator() for _ in range(self.discriminators)]
        for i, network in enumerate(networks):
            network.name = f"discriminator_{i}"
        inputs = [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in networks[0].inputs]
        logits = [network(inputs if len(inputs) > 1 else inputs[0]) for network in networks]
        logits = keras.layers.Concatenate(dtype="float32", name="logits")(logits)
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], logits, name="discriminator")

    @property
    def discriminator_networks(self):
        """The discriminators, a list of one or several networks."""
        if self.discriminators == 1:
            return [self.discriminator]
        return [
            self.discriminator.get_layer(f"discriminator_{i}") for i in range(self.discriminators)
        ]

    def kernel_seed(self):
        """Returns the next of the seeds for initial weights, all drawn from `seed`."""
        return int(self._kernel_seeds.integers(2**31))

    def build(self, input_shape=None):
        self.built = True

    def call(self, inputs, training=False):
        return self.generator(inputs, training=training)

    # Optimizers

    def compile(
        self, optimizer=None, *, generator_optimizer=None, discriminator_optimizer=None, **kwargs
    ):
        """Configures training. Without arguments: the variant's own recipe.

        Args:
            optimizer: an `OptimizerPair`, or one optimizer (name or instance) whose configuration
                both networks get.
            generator_optimizer: name or instance, for the generator alone.
            discriminator_optimizer: name or instance, for the discriminator alone.
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution`, as in
                `keras.Model.compile`.

        Raises:
            UsageError: a loss or metrics were given. The losses are the game's own.
        """
        for argument in ("loss", "metrics", "weighted_metrics", "loss_weights"):
            if kwargs.pop(argument, None) is not None:
                raise UsageError(
                    f"compile() of a GAN takes no `{argument}`: both losses are the game's own. "
                    "Choose one when the model is created, for example "
                    "zoo.create('dcgan', loss='hinge')."
                )
        pair, rate = optimizer, self.discriminator_learning_rate
        if not isinstance(optimizer, OptimizerPair):
            pair = OptimizerPair(
                _copy(generator_optimizer or optimizer) or self.new_optimizer(self.learning_rate),
                _copy(discriminator_optimizer or optimizer)
                or self.new_optimizer(self.learning_rate if rate is None else rate, self.n_critic),
            )
        if self.scales_losses:
            pair = OptimizerPair(*map(_scaling, pair.optimizers))
        if self.penalty and kwargs.get("jit_compile") is True and not backend.JIT_PENALTIES:
            raise UsageError(
                f"The penalty {self.penalty!r} needs second derivatives, which this Keras backend "
                "does not have under jit_compile=True. Leave jit_compile out."
            )
        own = {"auto_scale_loss": False}
        if backend.replicas_of(self) > 1 and not backend.JIT_REPLICAS:
            own["jit_compile"] = False
        super().compile(optimizer=pair, **own | kwargs)
        pair.build(self.generator.trainable_variables, self.discriminator.trainable_variables)
        self._compile_arguments = kwargs

    def new_optimizer(self, learning_rate, updates=1):
        """Returns an optimizer of this model's settings; `updates` are those in a step."""
        rate = float(learning_rate)
        if self.decay_steps:
            steps, schedules = self.decay_steps * updates, keras.optimizers.schedules
            if self.decay == "cosine":
                rate = schedules.CosineDecay(rate, steps, alpha=0.01)
            else:
                rate = schedules.PolynomialDecay(rate, steps, end_learning_rate=rate / 100)
        common = {"learning_rate": rate, "global_clipnorm": self.gradient_clip}
        if self.optimizer_name == "rmsprop":
            return keras.optimizers.RMSprop(rho=self.beta_2, **common)
        if self.optimizer_name == "sgd":
            return keras.optimizers.SGD(**common)
        return keras.optimizers.Adam(beta_1=self.beta_1, beta_2=self.beta_2, **common)

    def get_compile_config(self):
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            **self._compile_arguments,
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    # The step

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.fit`. `x` holds samples, `y` labels where the model has classes.

        `batch_size` counts the samples of one discriminator update. A data set or generator given
        as `x` yields `n_critic` such minibatches in each batch.

        Raises:
            UsageError: the samples have the wrong shape or range.
        """
        if isinstance(x, np.ndarray):
            self.check_samples(x)
            self.check_batch(batch_size or 32)
            batch_size = (batch_size or 32) * self.n_critic
            if self.n_critic > 1 or backend.replicas_of(self) > 1:
                if len(x) < batch_size:
                    raise UsageError(
                        "There are fewer samples than one step takes. Expected at least "
                        f"batch_size * n_critic = {batch_size}. Received: {len(x)}."
                    )
                whole = len(x) - len(x) % batch_size
                x, y = x[:whole], None if y is None else y[:whole]
        return super().fit(x, y, batch_size=batch_size, **kwargs)

    def check_batch(self, batch_size):
        """Raises UsageError unless `batch_size` samples can be shared out to all replicas."""
        count = backend.replicas_of(self)
        # Samples that are judged together are never on two devices.
        whole = count * self.accumulate * self.packing
        if count > 1 and batch_size % whole:
            near = max(batch_size // whole, 1) * whole
            raise UsageError(
                f"A batch is shared out to {count} devices, in equal parts. Expected a batch size "
                f"divisible by devices * accumulate * packing = {whole}, such as {near}. "
                f"Received: {batch_size}."
            )

    def check_samples(self, x):
        """Raises UsageError unless `x` is an array of samples this model can learn from."""
        if tuple(x.shape[1:]) != self.image_shape:
            raise UsageError(
                f"The samples have another shape than the model. Expected (n, "
                f"{', '.join(map(str, self.image_shape))}); create the model with "
                f"image_shape={tuple(x.shape[1:])} or resize them. Received: {tuple(x.shape)}."
            )
        if len(self.image_shape) == 3 and x.dtype != np.uint8:
            low, high = float(np.min(x[:256])), float(np.max(x[:256]))
            if x.dtype.kind != "f" or not -1.001 <= low <= high <= 1.001:
                raise UsageError(
                    "The images have the wrong range. Expected uint8 in [0, 255] or float in "
                    f"[-1, 1]. Received: {x.dtype} from {low:g} to {high:g}."
                )

    @backend.train_step
    def train_step(self, data):
        samples, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        if labels is not None:
            # JAX run eagerly hands over numpy arrays, which Keras refuses beside tensors.
            labels = ops.cast(ops.convert_to_tensor(labels), "int32")
        minibatches = self.minibatches(self.prepare(samples), labels)
        for real, labels in minibatches[:-1]:
            fake = self.generate_batch(self.draw_latents(real), labels)
            self.update_discriminator(real, fake, labels)

        # The last discriminator update and the generator update share one generator forward pass:
        # its pullback turns the gradient at the samples into the gradient of the weights.
        real, labels = minibatches[-1]
        fake, pullback = self.generate_shared(self.draw_latents(real), labels)
        d_loss, real_logits, fake_logits = self.update_discriminator(real, fake, labels)
        g_loss = self.update_generator(real, fake, labels, pullback)
        self.update_average(real)
        if self.adapts:
            self.update_strength(real, real_logits)
        return self.track(d_loss, g_loss, real_logits, fake_logits)

    def generate_shared(self, z, labels):
        """Generates a minibatch whose gradient the generator's update will ask for.

        Returns:
            `(fake, pullback)`: samples cut off from the generator, and the function from a gradient
            at them to the gradients of the generator's trainable weights.
        """
        variables = self.generator.trainable_variables
        if self.accumulate == 1:
            fake, pullback = backend.vjp(lambda: self.generate_batch(z, labels), variables)
            return ops.stop_gradient(fake), pullback
        parts = list(zip(self.split(z), self.split(labels), strict=True))
        before = [(v, ops.copy(v)) for v in self.generator.non_trainable_variables]
        with backend.no_grad():
            fake = _gathered([self.generate_batch(*part) for part in parts])

        def pullback(gradient):
            # From the same state the second pass draws and counts the same as the first.
            with backend.no_grad():
                for variable, value in before:
                    variable.assign(value)
            total = None
            for part, cotangent in zip(parts, self.split(gradient), strict=True):
                _, pull = backend.vjp(lambda part=part: self.generate_batch(*part), variables)
                total = _added(total, pull(cotangent))
            return total

        return ops.stop_gradient(fake), pullback

    def update_discriminator(self, real, fake, labels=None):
        """One discriminator update on one minibatch. Changes no weight of the generator.

        Returns:
            `(d_loss, real_logits, fake_logits)`, the loss before the update.
        """
        count, _ = backend.replicas()
        variables = self.discriminator.trainable_variables
        optimizer = self.optimizer.discriminator
        total, outputs = None, []
        minibatch = (real, ops.stop_gradient(fake), labels)
        for part in zip(*map(self.split, minibatch), strict=True):

            def objective(part=part):
                loss, seen = self._discriminator_objective(*part)
                return optimizer.scale_loss(loss / (count * self.accumulate)), seen

            _, seen, grads = backend.value_and_grad(objective, variables)
            total = _added(total, grads)
            outputs.append(seen)
        with backend.no_grad():
            backend.apply(optimizer, total, variables)
            if self.weight_clip:
                penalties.clip_weights(variables, self.weight_clip)
        losses, real_logits, fake_logits = zip(*outputs, strict=True)
        return (
            sum(losses) / self.accumulate,
            ops.concatenate(real_logits),
            ops.concatenate(fake_logits),
        )

    def _discriminator_objective(self, real, fake, labels):
        """The discriminators' loss, and what is reported of it."""
        total, real_logits, fake_logits = 0.0, [], []
        for network in self.discriminator_networks:
            seen_real, seen_fake, penalty = self._judge(real, fake, labels, network)
            total += self.discriminator_loss(seen_real, seen_fake)
            total += self.penalty_weight * penalty
            real_logits.append(seen_real)
            fake_logits.append(seen_fake)
        reported = (total / self.discriminators, _mean(real_logits), _mean(fake_logits))
        return total, reported

    def _judge(self, real, fake, labels, network):
        """One discriminator's logits of real and generated samples, and the penalty, unweighted."""
        discriminate = functools.partial(self.discriminate, labels=labels, network=network)
        # A penalty at the samples themselves needs no forward pass of its own.
        at = penalties.AT.get(self.penalty, ()) if self.penalty_every == 1 else ()
        logits, penalty = [], 0.0
        for name, samples in (("real", real), ("fake", fake)):
            if name in at:
                values, squared = penalties.squared_norm(discriminate, samples)
                penalty += ops.mean(squared) / 2
            else:
                values = discriminate(samples)
            logits.append(values)
        if self.penalise and not at:
            penalty = self._penalty(real, fake, labels, network)
        return *logits, penalty

    def _penalty(self, real, fake, labels, network):
        """The penalty without its weight, of every `penalty_every`-th sample."""
        real, fake, labels = (
            None if x is None else x[:: self.penalty_every] for x in (real, fake, labels)
        )
        discriminate = functools.partial(self.discriminate, labels=labels, network=network)
        return self.penalise(discriminate, real, fake, self)

    def update_generator(self, real, fake, labels, pullback):
        """One generator update. Changes no weight of the discriminator, moving averages included.

        Args:
            real: samples for the losses that compare against them.
            fake: generated samples, cut off from the generator.
            labels: int32 `(batch,)` or None.
            pullback: from the gradient at `fake` to the gradients of the generator's weights.

        Returns:
            The generator's loss before the update.
        """
        count, _ = backend.replicas()
        optimizer = self.optimizer.generator
        scale = optimizer.scale_loss(1.0)
        # Not its seeds: the next step's dropout must be another.
        statistics = [
            (v, ops.copy(v))
            for v in self.discriminator.non_trainable_variables
            if v.name != "seed_generator_state"
        ]

        def objective(real, labels, fake):
            losses = []
            for network in self.discriminator_networks:
                real_logits = None
                if self.objective.uses_real:
                    real_logits = self.discriminate(real, labels, network)
                fake_logits = self.discriminate(fake, labels, network)
                losses.append(self.generator_loss(fake_logits, real_logits))
            return self.combine(losses) / (count * self.accumulate) * scale

        variables = self.generator.trainable_variables
        loss, gradients = 0.0, []
        with backend.no_grad():
            parts = zip(*map(self.split, (real, labels, fake)), strict=True)
            for part_real, part_labels, part in parts:
                value, gradient = backend.input_grad(
                    functools.partial(objective, part_real, part_labels), part
                )
                loss += value
                gradients.append(gradient)
        gradients = pullback(_gathered(gradients))
        with backend.no_grad():
            backend.apply(optimizer, gradients, variables)
            for variable, value in statistics:
                variable.assign(value)
        return loss * count / scale

    def combine(self, losses):
        """Combines the generator's losses against several discriminators (GMAN), all scalars."""
        if len(losses) == 1:
            return losses[0]
        # Which of them is the largest is to be the same on every replica.
        losses = backend.mean(ops.stack(losses))
        if self.combination == "max":
            return ops.max(losses)
        if self.combination == "softmax":
            return ops.sum(ops.softmax(self.combination_sharpness * losses) * losses)
        return ops.mean(losses)

    def discriminator_loss(self, real_logits, fake_logits):
        """The discriminator's loss, a scalar, from float32 logits `(batch,)`."""
        return self.objective.discriminator(real_logits, fake_logits)

    def generator_loss(self, fake_logits, real_logits=None):
        """The generator's loss, a scalar; `real_logits` where the objective `uses_real`."""
        return self.objective.generator(fake_logits, real_logits)

    def generate_batch(self, z, labels=None):
        """The generator's samples for latents `z` in training mode."""
        return self.generator(z, training=True)

    def discriminate(self, samples, labels=None, network=None):
        """The float32 logits `(batch / packing,)` of one discriminator in training mode.

        Args:
            samples: what is judged.
            labels: int32 `(batch,)` where the model has classes.
            network: one of `discriminator_networks`; by default the first.
        """
        inputs = self.seen(samples)
        if self.num_classes:
            inputs = [inputs, labels]
        logits = (network or self.discriminator_networks[0])(inputs, training=True)
        return ops.reshape(ops.cast(logits, "float32"), (-1,))

    def seen(self, samples):
        """What the discriminator sees of the samples: augmented, noisy, packed."""
        if self.policy:
            strength = self.strength.value if self.adapts else self.augment_strength
            samples = augmentation.augment(samples, self.policy, self, strength)
        if self.instance_noise:
            seen = self.images_seen(samples) * self.accumulate
            left = 1.0 - seen / self.instance_noise_images
            deviation = self.instance_noise * ops.maximum(left, 0.0)
            samples = samples + deviation * self.normal(ops.shape(samples))
        return self.pack(samples)

    def pack(self, samples):
        """Stacks each `packing` neighbours along the last axis."""
        m = self.packing
        if m == 1:
            return samples
        size = samples.shape[0]
        if size is not None and size % m:
            raise UsageError(
                f"The discriminator judges packing={m} samples at once. Expected minibatches of a "
                f"size divisible by {m}. Received: {size}."
            )
        shape = tuple(samples.shape[1:])
        groups = ops.reshape(samples, (-1, m, *shape))
        groups = ops.moveaxis(groups, 1, -2)
        return ops.reshape(groups, (-1, *shape[:-1], m * shape[-1]))

    @property
    def seen_shape(self):
        """Shape of what the discriminator judges at once: `packing` samples."""
        return (*self.image_shape[:-1], self.image_shape[-1] * self.packing)

    def prepare(self, samples):
        """Maps uint8 images to float32 in [-1, 1]; leaves anything else as it is."""
        if keras.backend.standardize_dtype(samples.dtype) == "uint8":
            return ops.cast(samples, "float32") / 127.5 - 1.0
        return ops.cast(samples, "float32")

    def minibatches(self, samples, labels):
        """Splits a batch into the `n_critic` minibatches of one step, `[(real, labels), ...]`."""
        k = self.n_critic
        if k == 1:
            return [(samples, labels)]
        size = samples.shape[0]
        if size is not None and size % k:
            raise UsageError(
                f"A batch must hold n_critic={k} minibatches of equal size. Expected a batch size "
                f"divisible by {k}. Received: a batch of {size}."
            )
        parts = _dealt(samples, k)
        return list(zip(parts, [None] * k if labels is None else _dealt(labels, k), strict=True))

    def split(self, minibatch):
        """Splits what belongs to a minibatch, or None, into `accumulate` parts."""
        k = self.accumulate
        if k == 1:
            return [minibatch]
        if minibatch is None:
            return [None] * k
        size = minibatch.shape[0]
        if size is not None and size % k:
            raise UsageError(
                f"A minibatch must hold accumulate={k} parts of equal size. Expected a batch size "
                f"divisible by {k}. Received: {size}."
            )
        return _dealt(minibatch, k)

    def draw_latents(self, real):
        """Draws N(0, 1) noise `(batch, latent_dim)`, one point for each sample in `real`."""
        return self.normal((ops.shape(real)[0], self.latent_dim))

    def normal(self, shape):
        """Draws N(0, 1) from the model's own seed; replicas each take their part of one draw."""
        return backend.drawn(keras.random.normal, shape, self.noise)

    def uniform(self, shape):
        """Draws U(0, 1) from the model's own seed; replicas each take their part of one draw."""
        return backend.drawn(keras.random.uniform, shape, self.noise)

    def images_seen(self, samples):
        """How many real samples of this batch's size the past steps have seen, float32 scalar."""
        count, _ = backend.replicas()
        batch = ops.cast(ops.shape(samples)[0] * count, "float32")
        return batch * ops.cast(self.optimizer.iterations, "float32")

    def update_average(self, samples):
        """Moves the averaged generator towards the current one."""
        count, _ = backend.replicas()
        batch = ops.cast(ops.shape(samples)[0] * count, "float32")
        half_life = ops.minimum(self.ema_half_life, self.ema_ramp_up * self.images_seen(samples))
        decay = ops.power(0.5, batch / ops.maximum(half_life, 1e-6))
        with backend.no_grad():
            pairs = zip(self.ema_generator.weights, self.generator.weights, strict=True)
            for average, weight in pairs:
                average.assign(weight + (average - weight) * ops.cast(decay, weight.dtype))

    def update_strength(self, real, real_logits):
        """Moves the adaptive strength of the augmentation (Karras et al. 2020, section 3)."""
        count, _ = backend.replicas()
        sign = backend.mean(ops.mean(ops.sign(real_logits)))
        size = ops.cast(ops.shape(real)[0] * count, "float32")
        self.strength.assign(
            augmentation.adapted_strength(self.strength.value, sign, size, self.augment_target)
        )

    def track(self, d_loss, g_loss, real_logits, fake_logits):
        """Adds one step to the running means and returns them, by name.

        `loss` is the sum of both losses: it means little, but it is what Keras's TerminateOnNaN
        looks at. `d_real` and `d_fake` are mean logits.
        """
        seen = (d_loss, g_loss, ops.mean(real_logits), ops.mean(fake_logits))
        # One bad replica is seen by all, whose counts of good steps stay equal.
        seen = backend.mean(ops.stack([ops.cast(ops.stop_gradient(x), "float32") for x in seen]))
        values = {name: seen[i] for i, name in enumerate(("d_loss", "g_loss", "d_real", "d_fake"))}
        values = {"loss": values["d_loss"] + values["g_loss"], **values}
        if self.adapts:
            values["augment_strength"] = self.strength.value
        if self.scales_losses:
            scales = [optimizer.dynamic_scale.value for optimizer in self.optimizer.optimizers]
            values["loss_scale"] = ops.minimum(*scales)
        finite = ops.isfinite(values["loss"])
        self.finite_steps.assign(self.finite_steps + ops.cast(finite, "int32"))
        # Keras adds up what the replicas count: together they count one step.
        count, _ = backend.replicas()
        weight = None if count == 1 else 1 / count
        for name, value in values.items():
            self.trackers[name].update_state(value, weight)
        return backend.logs({name: tracker.result() for name, tracker in self.trackers.items()})

    @property
    def metrics(self):
        return list(self.trackers.values())

    # Samples

    def generate(self, count=16, seed=0, labels=None, ema=True):
        """Draws samples, the same for the same seed however many are asked for.

        Args:
            count: int, how many.
            seed: int, or `count` ints for one sample each.
            labels: int32 `(count,)` where the model has classes; by default all in turn.
            ema: bool, whether the averaged generator draws, or the current one.

        Returns:
            float32 array `(count, *image_shape)`, images in [-1, 1].
        """
        generator = self.ema_generator if ema else self.generator
        if self.num_classes and labels is None:
            labels = np.arange(count) % self.num_classes
        return sampling.run_generator(
            generator, sampling.latents(count, self.latent_dim, seed), labels
        )

    def inference_generator(self):
        """Returns a new functional generator, float32, with the averaged weights.

        It holds stock layers only, so that its file loads with Keras alone.
        """
        with _dtype_policy("float32"), backend.single():
            generator = self.build_generator()
        generator.set_weights(self.ema_generator.get_weights())
        return generator

    def inference_discriminator(self):
        """Returns a new functional discriminator, float32, spectral layers folded into stock ones.

        Its inputs are samples and, with classes, int32 labels `(batch,)`.

        Raises:
            UsageError: it compares the samples of a minibatch, which no stock layer does.
        """
        if self.minibatch_std:
            raise UsageError(
                "The discriminator compares the samples of a minibatch, for which Keras has no "
                "layer, so it loads only with this package: save the whole model instead. Expected "
                f"minibatch_std=0. Received: minibatch_std={self.minibatch_std}."
            )
        with _dtype_policy("float32"), backend.single():
            discriminator = self.build_discriminators()
        discriminator.set_weights(self.discriminator.get_weights())
        return folded(discriminator)

    # Configuration

    @classmethod
    def settings(cls):
        """Returns the constructor's arguments, name -> inspect.Parameter, own ones first."""
        parameters = {}
        for owner in cls.__mro__[: cls.__mro__.index(GAN) + 1]:
            for name, parameter in inspect.signature(owner.__init__).parameters.items():
                if name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                    parameters.setdefault(name, parameter)
        return parameters

    @classmethod
    def defaults_at(cls, image_shape):
        """Returns the defaults that depend on the shape of a sample, setting -> value.

        Such a setting is None in the constructor's signature, and the constructor takes it from
        here.

        Args:
            image_shape: tuple, the shape of one sample.
        """
        return {}

    def get_config(self):
        config = {name: getattr(self, name) for name in self.settings() if name != "optimizer"}
        # Keras keeps the optimizer itself in the attribute of that name.
        config["optimizer"] = self.optimizer_name
        config["dtype"] = keras.saving.serialize_keras_object(self.dtype_policy)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["dtype"] = keras.saving.deserialize_keras_object(config["dtype"])
        return cls(**config)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        # Keras does not save the state of seed generators; without it a loaded model would draw
        # the same noise again.
        store["noise"] = ops.convert_to_numpy(self.noise.state)

    def load_own_variables(self, store):
        own = [name for name in store.keys() if name != "noise"]  # noqa: SIM118, a Keras store
        super().load_own_variables({name: store[name] for name in own})
        self.noise.state.assign(store["noise"])


def _dealt(batch, parts):
    """Deals out a batch in turn, so that a replica's share of each part lies in its own share."""
    groups = ops.reshape(batch, (-1, parts, *batch.shape[1:]))
    return [groups[:, i] for i in range(parts)]


def _gathered(parts):
    """Undoes `_dealt`."""
    if len(parts) == 1:
        return parts[0]
    return ops.reshape(ops.stack(parts, axis=1), (-1, *parts[0].shape[1:]))


def _added(total, gradients):
    return gradients if total is None else [a + b for a, b in zip(total, gradients, strict=True)]


def _mean(logits):
    return logits[0] if len(logits) == 1 else sum(logits) / len(logits)


def _copy(optimizer):
    """A fresh optimizer of the same configuration: two networks must not share one."""
    if optimizer is None or isinstance(optimizer, str):
        return optimizer and keras.optimizers.get(optimizer)
    return type(optimizer).from_config(optimizer.get_config())


def _scaling(optimizer):
    """The optimizer behind one that scales the loss, undoes it and leaves out what overflows."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


@contextlib.contextmanager
def _dtype_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
