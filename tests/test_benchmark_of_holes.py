"""The scores of filled holes: a row for each filling, and a picture."""

import helpers
import pytest
import running

from zoo.runs import checkpoints, directory


@pytest.mark.slow  # a process that searches
def test_the_fillings_of_a_run_are_scored_beside_simple_ones(tmp_path):
    gan, config = running.build()
    run = tmp_path / "run"
    directory.write_json(run / "config.json", config)
    checkpoints.save(run / "checkpoints", gan, {"step": 1})
    gan.inference_generator().save(run / "generator.keras")
    for hole in ("right", "random"):
        flags = [f"--run={run}", f"--hole={hole}", "--pictures=2", "--steps=5", "--features=none"]
        lines = helpers.python("-m", "benchmarks.holes", *flags).splitlines()
        scores = {line.split(" | ")[0]: line.split(" | ")[1:] for line in lines if "|" in line}
        assert "harmonic" in " ".join(scores) and "search: first answer" in " ".join(scores)
        assert 3 < float(scores["| mean"][0]) < 40
        assert (run / f"holes_{hole}.png").is_file()
