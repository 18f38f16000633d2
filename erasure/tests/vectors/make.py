#!/usr/bin/env python3
"""Writes chunks.tsv, sizes.tsv and profiles.tsv from Ceph's own ceph-erasure-code-tool (see PROVENANCE).

usage: make.py TOOL; the vectors stand beside this script."""
import hashlib, os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.abspath(sys.argv[1])
INPUT = open(f"{HERE}/input.bin", "rb").read()
VAN = [(2, 1), (3, 1), (3, 2), (5, 2), (6, 3), (7, 3), (10, 4), (12, 4), (21, 4), (32, 2), (32, 3)]
CAUCHY = [(2, 1), (7, 1), (3, 2), (8, 3), (10, 4), (12, 6), (16, 8), (22, 4), (32, 4), (32, 16)]
JERASURE = [(2, 1), (2, 2), (3, 2), (5, 3), (10, 4), (12, 4), (16, 8), (22, 4), (32, 16)]
# Not with a single group: then this version never computes the global parity, which stays zero.
LRC = [(4, 2, 3), (6, 2, 4), (2, 2, 2), (6, 3, 3), (8, 4, 3), (8, 4, 6), (12, 3, 5), (10, 2, 6), (9, 3, 4), (16, 8, 6)]
PROFILES = [(f"plugin=isa,technique=reed_sol_van,k={k},m={m}", k, k + m) for k, m in VAN]
PROFILES += [(f"plugin=isa,technique=cauchy,k={k},m={m}", k, k + m) for k, m in CAUCHY]
PROFILES += [(f"plugin=jerasure,technique=reed_sol_van,k={k},m={m}", k, k + m) for k, m in JERASURE]
PROFILES += [(f"plugin=lrc,k={k},m={m},l={l}", k, k + m + (k + m) // l) for k, m, l in LRC]
# What Ceph accepts and refuses within our own limits (k up to 32, m up to 16); lrc's limits too.
JUDGED = [f"plugin=isa,technique=reed_sol_van,k={k},m={m}" for k, m in [(1, 1), (2, 0), (21, 4), (22, 4), (4, 5), (32, 3)]]
JUDGED += [f"plugin=isa,technique=cauchy,k={k},m={m}" for k, m in [(1, 1), (2, 0), (22, 4), (4, 5), (32, 16)]]
JUDGED += [f"plugin=jerasure,technique=reed_sol_van,k={k},m={m}" for k, m in [(1, 1), (2, 0), (2, 2), (32, 16)]]
JUDGED += [f"plugin=lrc,k={k},m={m},l={l}" for k, m, l in
           [(4, 2, 3), (4, 2, 1), (4, 2, 4), (4, 2, 5), (3, 3, 2), (4, 3, 7), (1, 1, 2), (4, 1, 5), (5, 1, 3), (4, 2, 6)]]


def tool(*args, cwd=None):
    return subprocess.run([TOOL, *args], cwd=cwd, capture_output=True, text=True)


with open(f"{HERE}/chunks.tsv", "w") as out, tempfile.TemporaryDirectory() as scratch:
    for i, (profile, k, n) in enumerate(PROFILES):
        unit = [4096, 512, 32, 96][i % 4]
        size = [len(INPUT), 20001, 3 * k * unit + 1][i % 3]
        data = (INPUT * 3)[: min(size, len(INPUT))]
        with open(f"{scratch}/x", "wb") as f:
            f.write(data)
        done = tool("encode", profile, str(unit), ",".join(map(str, range(n))), "x", cwd=scratch)
        assert done.returncode == 0, (profile, done.stderr)
        for chunk in range(n):
            digest = hashlib.sha256(open(f"{scratch}/x.{chunk}", "rb").read()).hexdigest()
            out.write(f"{profile}\t{unit}\t{len(data)}\t{chunk}\t{digest}\n")
            os.remove(f"{scratch}/x.{chunk}")
with open(f"{HERE}/sizes.tsv", "w") as out:
    for profile, k, n in PROFILES[:: 3]:
        for size in [1, 31, 32 * k, 32 * k + 1, 4096, 65535, 4 << 20, 5000001]:
            out.write(f"{profile}\t{size}\t{tool('calc-chunk-size', profile, str(size)).stdout.strip()}\n")
with open(f"{HERE}/profiles.tsv", "w") as out:
    for profile in JUDGED:
        verdict = "yes" if tool("validate-profile", profile).returncode == 0 else "no"
        out.write(f"{profile}\t{verdict}\n")
