"""What the benchmarks share: runs and their table, programs, a server to measure, and a client that costs little."""
