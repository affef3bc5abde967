"""What this machine can and cannot do, looked at part by part and said in plain words."""
