"""Predictions of a table: the rides of an interval, into a predictions database.

    from batch.scoring import Request, score

    request = Request(RidesTable.named([Path("march.parquet")]),
                      Interval.parse("2025-03-01", "2025-04-01"), staging=Path("build/scoring"))
    with open_database("build/predictions.duckdb") as database:
        report = score(request, database)

- `interval.Interval`: half-open, in the table's local time; always given.
- `rides_table.RidesTable`: Parquet files, or a table of a DuckDB file; its rows in slices.
- `row_mapping.row_mapping`: how a row becomes an event. Rows have the table's columns, and `_ride`
  (the key as text) and `_at` (the time).
- `scorer.Scorer(model, mapping).score(rows)`: an Arrow table of rows to predictions, rejects and a
  count of skipped events; nothing else is needed to predict elsewhere, such as in Spark.
- `predictions_database.PredictionsDatabase`: `duckdb_database` or `postgresql_database`; the tables
  `predictions`, `rejects` and `runs`. `databases.open_database` picks one by its URL.
- `scoring.score`: all of it, with a `Report`. It raises the errors of `errors`.
"""
