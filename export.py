"""`ganzoo export` in a checkout: zoo/cli/export.py is the program."""

__keras_later__ = True  # a flag chooses the backend first

from zoo.cli.export import start

if __name__ == "__main__":
    start()
