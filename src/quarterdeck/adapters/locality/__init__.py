"""Where the data of jobs lies already."""
