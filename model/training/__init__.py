"""From features to a calibrated, thresholded model, without leaks."""
