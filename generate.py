"""`ganzoo generate` in a checkout: zoo/cli/generate.py is the program."""

__keras_later__ = True  # a flag chooses the backend first

from zoo.cli.generate import start

if __name__ == "__main__":
    start()
