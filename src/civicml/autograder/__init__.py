"""Everything that runs and judges work: the instructor's side of a lab."""
