"""How close a codec's output is to its input: metrics, data sets, runner, report."""
