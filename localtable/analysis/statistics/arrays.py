"""Names for the arrays that the statistics take and give. Nothing else: numpy itself is loaded by who computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Integers = NDArray[np.integer]
    """Also the table's int8 votes."""
    Floats = NDArray[np.float64]
    Numbers = NDArray[np.bool_] | NDArray[np.integer] | NDArray[np.float64]
