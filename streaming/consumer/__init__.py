"""One batch from Lambda, start to end: all that the image holds."""
