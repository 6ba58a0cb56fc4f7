"""Depthwise Separable Convolution, Reproduced: papers run again, claim by claim."""

import os

# Keras reads its user's settings as it is imported. Here they are read from nowhere, and the variable alone chooses.
os.environ["KERAS_HOME"] = os.devnull
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# TensorFlow then takes of a GPU what it needs and not all of it, so that another process can use the card too.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
