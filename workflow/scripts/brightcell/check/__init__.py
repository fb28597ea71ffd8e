"""Look for faults in images and masks before anything is trained on them."""
