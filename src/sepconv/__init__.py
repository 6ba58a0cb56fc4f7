"""Depthwise Separable Convolution, Reproduced: papers run again, claim by claim."""

import os

# Keras reads its user's settings as it is imported. Here they are read from nowhere, and the variable alone chooses.
os.environ["KERAS_HOME"] = os.devnull
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
