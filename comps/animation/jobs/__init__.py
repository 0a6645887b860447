"""Long videos made in the background: in segments that are kept, so that a job can be stopped and gone on with."""
