"""Runs a program in a terminal of 40 lines of 120 columns, and writes what it shows there."""
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

ours, its = pty.openpty()
fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
program = subprocess.Popen(sys.argv[1:], stdin=its, stdout=its, stderr=its, close_fds=True)
os.close(its)
while True:
    try:
        shown = os.read(ours, 65536)
    except OSError:
        break
    if not shown:
        break
    sys.stdout.buffer.write(shown)
sys.exit(program.wait())
