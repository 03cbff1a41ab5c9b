import pytest


@pytest.fixture(scope="session")
def straight(tmp_path_factory):
    """A small run of 4 epochs without interruption: its session and the History of its `fit`."""
    import running

    from zoo.gan import GAN

    histories, fit = [], GAN.fit

    def remember(*args, **kwargs):
        histories.append(fit(*args, **kwargs))
        return histories[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GAN, "fit", remember)
        session = running.start(tmp_path_factory.mktemp("straight") / "runs", "straight")
    (history,) = histories
    return session, history
