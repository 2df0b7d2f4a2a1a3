"""What can be measured: each script prints its table and keeps the raw numbers beside it."""
