"""`ganzoo app` in a checkout: zoo/cli/app.py is the program."""

__keras_later__ = True  # a flag chooses the backend first

from zoo.cli.app import start

if __name__ == "__main__":
    start()
