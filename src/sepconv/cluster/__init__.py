"""From one machine to many: runs as tasks of a Ray cluster, which needs the extra ``cluster``, or as a Slurm array."""
