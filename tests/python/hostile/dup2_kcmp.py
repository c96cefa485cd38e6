# dup2.py where rings have no inodes of their own, as on kernels before 5.16: they are
# told apart by kcmp(2).
from common import *
import runpy

L._liburing._share_an_inode()
one = L.Ring(1)
if L.engine_of(one.ring_fd)[0] == "kernel":
    files = os.listdir("/proc/self/fd")
    two = L.Ring(1)
    # The ring and a duplicate to compare with; the list has the folder's descriptor too.
    assert len(os.listdir("/proc/self/fd")) == len(files) + 2
    two.close()
one.close()
runpy.run_path(os.path.join(os.path.dirname(__file__), "dup2.py"))
