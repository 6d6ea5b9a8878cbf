"""How fast, how large and how expensive it is, beside what people use today. `make bench`."""
