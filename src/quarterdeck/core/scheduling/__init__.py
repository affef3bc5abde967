"""Who runs where and when: snapshot in, plan and verdicts out."""
