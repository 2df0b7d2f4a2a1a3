"""What a checkpoint gets right: cases, conditions, scores and tables. A live session is asked in server/."""
