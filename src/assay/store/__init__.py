"""The only code that writes artifacts: keys, parquet shards, receipts, run folders, exports.

* keys        digests and the key of a stage
* shards      samples, failures and their images as parquet; `is_whole`
* rows        outcomes, decisions and results as parquet
* receipts    what a stage did and which files it left; its existence is completion
* run_folder  a folder that assay owns, with a lock
* images      pixels by digest, out of shards
* export      a data set for other tools

Every file is written to a temporary name beside its place, flushed, and renamed.
"""
