"""Counts and measurements of networks and machines: cost, time, memory, limits."""
