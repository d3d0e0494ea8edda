"""Names of the numpy arrays that several steps hand to each other. Loads without torch."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
"""Entropies and log-probs, as they are stored."""
Doubles = npt.NDArray[np.float64]
"""What is summed, averaged or fitted."""
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
