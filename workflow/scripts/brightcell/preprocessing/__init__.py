"""From the pixels of a file to the frame that a network sees."""
