"""How fast the zoo trains: `python -m benchmarks --help`, docs/performance.md."""
