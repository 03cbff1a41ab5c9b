"""The parts of the page that show samples of noise: a grid, one changed, a walk, a plot."""

import gradio

from zoo import seeds
from zoo.app import noise, widgets
from zoo.app.widgets import told, working
from zoo.drawing.pictures import pillow

FAR = 5.0  # standard deviations that a slider reaches


def samples(made):
    """Adds a grid of samples, and one sample with what changes it.

    Args:
        made: `noise.Noise`, which draws pictures.
    """
    with gradio.Row():
        first = widgets.seed("Seed of the first sample")
        classes = gradio.Dropdown(
            [(name, number) for number, name in enumerate(made.classes)],
            value=[],
            multiselect=True,
            label="Classes",
            info="They take turns; without any, all do",
            visible=bool(made.classes),
        )
        truncation = widgets.truncation()
        again = gradio.Button("Next samples", variant="primary")
    grid = gradio.Gallery(
        label="Seeds: choose one",
        columns=noise.COLUMNS,
        height="auto",
        format="png",
        allow_preview=False,
        buttons=["download_all"],
        elem_classes=["pixels", "many"],
    )
    how_all = widgets.command()
    gradio.Markdown("## One sample, changed")
    with gradio.Row():
        with gradio.Column(min_width=280):
            one = widgets.shown("Sample")
            how = widgets.command()
        with gradio.Column(min_width=280):
            with gradio.Row():
                seed, label = widgets.seed(), widgets.class_of(made)
            with gradio.Row():
                other = widgets.seed("Mix with seed", 1)
                share = gradio.Slider(0, 1, 0, step=0.05, label="Share of that seed")
            sliders = [
                gradio.Slider(-FAR, FAR, 0, step=0.1, label=f"Direction {number}")
                for number in range(1, made.directions + 1)
            ]
            reset = gradio.Button("Back to the sample")

    @told
    def draw_all(first, classes, truncation):
        found, columns = made.grid(first, classes, truncation)
        command = made.command(made.row(first, classes)[0], classes, truncation)
        return gradio.Gallery(found, columns=columns), command

    @told
    def draw(seed, label, truncation, other, share, *moves):
        seed, mix = noise.checked(seed), (noise.checked(other), share) if share else None
        point = made.points([seed], label, truncation, moves, mix)
        (picture,) = made.draw(point, label)
        command = made.command([seed], _listed(label), truncation, moves, mix)
        return pillow(noise.large(picture)), command

    def choose(first, classes, event: gradio.SelectData):
        seeds, labels = made.row(first, classes)
        return seeds[event.index], None if labels is None else int(labels[event.index])

    @told
    def follow(first, classes):
        return made.row(first, classes)[0][-1] + 1

    page = [first, classes, truncation]
    single = [seed, label, truncation, other, share, *sliders]
    gradio.on(
        [first.change, classes.change, truncation.change],
        draw_all,
        page,
        [grid, how_all],
        trigger_mode="always_last",
    )
    # A change, not a release: the keyboard moves sliders too.
    gradio.on(
        [part.change for part in single],
        draw,
        single,
        [one, how],
        trigger_mode="always_last",
    )
    again.click(follow, [first, classes], first)
    grid.select(choose, [first, classes], [seed, label])
    reset.click(lambda: [0] * (1 + len(sliders)), None, [share, *sliders])
    widgets.on_load(draw_all, page, [grid, how_all])
    widgets.on_load(draw, single, [one, how])


def walk(made):
    """Adds a film from seed to seed. `made` is as for `samples`."""
    with gradio.Row():
        through = gradio.Textbox("1,2,3,4", label="Seeds", info="Such as 1,2,3 or 0-5")
        label, truncation = widgets.class_of(made), widgets.truncation()
        start = gradio.Button("Draw the walk", variant="primary")
    film = widgets.shown("From seed to seed", type="filepath")
    how = widgets.command()

    @working
    def draw(text, label, truncation):
        listed = seeds.parse(text)
        command = made.command(listed, _listed(label), truncation, walk=True)
        return made.walk(listed, label, truncation), command

    start.click(draw, [through, label, truncation], [film, how])


def plot(made):
    """Adds a plot of points or signals. `made` is a `noise.Noise`."""
    with gradio.Row():
        seed, label, truncation = widgets.seed(), widgets.class_of(made), widgets.truncation()
    picture = widgets.shown(f"{noise.CLOUD:,} samples")
    how = widgets.command()

    @told
    def draw(seed, label, truncation):
        seed = noise.checked(seed)
        command = made.command(seed, _listed(label), truncation)
        return made.plot(seed, truncation, label), command

    parts = [seed, label, truncation]
    changes = [part.change for part in parts]
    gradio.on(changes, draw, parts, [picture, how], trigger_mode="always_last")
    widgets.on_load(draw, parts, [picture, how])


def _listed(label):
    return [] if label is None else [label]
