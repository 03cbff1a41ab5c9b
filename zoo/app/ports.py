"""Ports that a page can listen at."""

import socket

from zoo.errors import UsageError

PORTS = 100  # that are tried


def free_port(host, port):
    """Returns the first free port from `port` on. Raises UsageError if there is none."""
    for candidate in range(port, min(port + PORTS, 2**16)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, candidate))
                return candidate
            except socket.gaierror as error:
                raise UsageError(
                    f"{host} is no address of this machine. Expected --host=127.0.0.1, or 0.0.0.0 "
                    "for visitors from elsewhere."
                ) from error
            except OSError:
                continue
    raise UsageError(f"No port is free from {port} on. Choose another with --port.")
