"""The curves of a run as HTML: losses, other numbers of the players, and scores."""

from zoo.drawing.pictures import curves
from zoo.report import read

# Columns of metrics.csv: the counters, and the endings of losses and of learning rates.
COUNTS = "epoch", "step", "images"
LOSS, RATE = "_loss", "_learning_rate"


def charts(metrics, scores):
    """Returns the HTML of the curves: losses, other numbers of each player, and scores.

    A column `<player>_loss` is a player's loss, and `<player>_<term>` is a term of the loss or
    another number of the player; `zoo.players.Player.column` names them. A column of a learning
    rate begins with the full name of the player.
    """
    step = metrics.get("step")
    names = [] if step is None else [n for n in metrics if not n.endswith(RATE)]
    losses = [name for name in names if name.endswith(LOSS)]
    named = {name: _player(name.removesuffix(LOSS), metrics) for name in losses}

    def drawn(labels, title):
        columns = {}
        for name, label in labels.items():
            # A player that did not move has no value.
            there = [pair for pair in zip(step, metrics[name], strict=True) if pair[1] is not None]
            if there:
                columns[label] = tuple(map(list, zip(*there, strict=True)))
        return curves(columns, title)

    charts = drawn(named, "Loss")
    rest = [name for name in names if name not in (*losses, *COUNTS)]
    for loss, player in named.items():
        start = loss.removesuffix("loss")
        own = {n: _words(n.removeprefix(start)) for n in rest if n.startswith(start)}
        rest = [name for name in rest if name not in own]
        charts += drawn(own, player.capitalize())
    charts += "".join(drawn({name: _words(name)}, _words(name).capitalize()) for name in rest)
    charts += _score_curve(scores)
    return f'<div class="charts">{charts}</div>' if charts else ""


def _player(short, metrics):
    """Returns the full name of the player whose columns begin with `short`."""
    players = [name.removesuffix(RATE) for name in metrics if name.endswith(RATE)]
    matches = [name for name in players if name.startswith(short)]
    return matches[0] if len(matches) == 1 else _words(short)


def _words(name):
    return name.replace("_", " ")


def _score_curve(path):
    table = read.csv_columns(path)
    if not {"step", "frechet", "floor"} <= set(table):
        return ""
    # A resumed run may use another scoring protocol than before, and then has another floor.
    rows = list(zip(table["step"], table["frechet"], table["floor"], strict=True))
    rows = [row for row in rows if row[2] == rows[-1][2]]
    if not rows:
        return ""
    steps, values, floors = map(list, zip(*rows, strict=True))
    columns = {
        "generated": (steps, values),
        "floor, real pictures": ([0, *steps], [floors[0], *floors]),
    }
    return curves(columns, "Fréchet distance of the averaged generator, lower is better")
