"""The field's own benchmarks: their files read as published, their questions, rules and published figures."""
