"""From results to verdicts: samples, statistics, rules, and what they say in words."""
