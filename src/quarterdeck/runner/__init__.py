"""What stands beside each replica of a job: standard library only, Python 3.9 or newer.

It imports nothing of the house and nothing of the house imports it: it is run as a folder (or a
zip of it), `python -I -S FOLDER launcher --site DIR`, and spoken to through files.
"""
