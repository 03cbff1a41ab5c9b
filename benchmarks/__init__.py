"""Training speed of the zoo: `python -m benchmarks --help`, docs/performance.md."""
