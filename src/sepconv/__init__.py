"""Depthwise Separable Convolution, Reproduced: papers run again, claim by claim."""
