"""Store: the only code that writes artifacts. All writes are atomic: temporary file, flush, rename.

* receipts    stage keys, and receipts of completed stages
* shards      samples, failures and encoded images as parquet
* rows        outcomes, decisions and results as parquet
* run_folder  run folder with a lock
* images      images by digest, read from shards
* answers     answers of models as JSON lines
* export      data sets for other tools
"""
