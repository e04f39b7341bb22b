"""Components: generators, scorers, filters, sources, trainers and evaluators."""
