"""Depthwise Separable Convolution, Reproduced: papers run again, claim by claim."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # or the user's keras.json would choose
