"""Loop for ever before any function is called."""

# ends: killed took longer than 0.5 s
# seconds: 0.5
while True:
    pass
