"""`ganzoo evaluate` in a checkout: zoo/cli/evaluate.py is the program."""

__keras_later__ = True  # a flag chooses the backend first

from zoo.cli.evaluate import start

if __name__ == "__main__":
    start()
