"""Depthwise Separable Convolution, Reproduced: three papers run again, claim by claim."""
