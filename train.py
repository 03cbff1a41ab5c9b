"""`ganzoo train` in a checkout: zoo/cli/train.py is the program."""

__keras_later__ = True  # a flag chooses the backend first

from zoo.cli.train import start

if __name__ == "__main__":
    start()
