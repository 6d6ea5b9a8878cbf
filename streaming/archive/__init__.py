"""Streams as Parquet files, in a folder or a bucket: each record once, also after kill -9."""
