"""Programs for people: `python -m scripts` lists them."""
