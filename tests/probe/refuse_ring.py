#!/usr/bin/env python3
"""Run a program in which io_uring_setup(2) fails with EPERM: seccomp(2)."""
import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425    # the same on every architecture
EPERM = 1
RET_ALLOW, RET_ERRNO = 0x7fff0000, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06

program = b"".join(struct.pack("=HBBI", *i) for i in (
    (LOAD, 0, 0, 0),                        # the number of the call
    (JUMP_IF_EQUAL, 0, 1, IO_URING_SETUP),
    (RETURN, 0, 0, RET_ERRNO | EPERM),
    (RETURN, 0, 0, RET_ALLOW),
))
code = ctypes.create_string_buffer(program, len(program))
fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
   libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog):
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
