"""AnchorAttention, forward, in Triton: what Moodle's CUDA kernels are measured against. Not part of Moodle.

The paper's three steps with Moodle's rule (Moodle/Attention/AnchorGroup.cs and AnchorReference.cs), bf16, [1, heads, n, d]:
    anchor   online softmax over the group's anchor region; leaves m, l and o in float32
    select   mean query of a block against all keys, one bit for each (group, key), then ascending lists of int32
    sparse   the same rows continue from (m, l, o) over the keys of their group's list, loaded by index
Logits are kept in units of log 2 (m, thresholds), so that exp2 serves; the scale is applied to the float32 products.

    python3 triton_peer.py --lengths 4096,8192,16384 --dim 64 --heads 16 [--causal] [--input FILE.safetensors] [--save FILE.safetensors] [--json OUT]
    moodle bench attention --device cuda --input FILE.safetensors       # Moodle's kernels on the same numbers
"""
import argparse
import json
import math
import random
import statistics

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch.nn.attention import SDPBackend, sdpa_kernel
from triton.language.extra import libdevice

LOG2E = 1.4426950408889634

def configs(*shapes):
    return [triton.Config({"BLOCK_M": m, "BLOCK_N": n}, num_warps=warps, num_stages=stages) for m, n, warps, stages in shapes]

def tiles_of(rows):
    """Row tiles that do not cross from one unit of so many rows (the name of an argument) to the next."""
    def prune(candidates, named, **given):
        return [c for c in candidates if {**named, **given}[rows] % c.kwargs["BLOCK_M"] == 0]
    return {"early_config_prune": prune}

@triton.jit
def _bounds(g, n, GROUP: tl.constexpr, INIT: tl.constexpr, LOCAL: tl.constexpr, CAUSAL: tl.constexpr):
    """AnchorGroup.Of: the anchor region is [0, init_end) and [local_start, local_end). g is one group or a vector of them."""
    start = g * GROUP
    end = tl.minimum(start + GROUP, n)
    local_start = tl.maximum(start - LOCAL, 0)
    if CAUSAL:
        local_end = end
    else:
        local_end = tl.maximum(tl.minimum(end + LOCAL, n), tl.minimum(n, INIT))
    return tl.minimum(local_start, INIT), local_start, local_end

@triton.jit
def _continue(q, k, v, keep, m, l, acc, scale, MASKED: tl.constexpr):
    """One step of the online softmax over the keys of a tile. A row's first tile must hold a key that it keeps."""
    s = tl.dot(q, tl.trans(k))
    if MASKED:
        s = tl.where(keep, s, float("-inf"))
    m_new = tl.maximum(m, tl.max(s, 1) * scale)
    p = tl.math.exp2(s * scale - m_new[:, None])
    alpha = tl.math.exp2(m - m_new)
    l = l * alpha + tl.sum(p, 1)
    acc = tl.dot(p.to(v.dtype), v, acc * alpha[:, None])
    return m_new, l, acc

# ---- 1: anchor

@triton.autotune(configs((64, 64, 4, 3), (128, 64, 4, 3), (128, 64, 8, 3), (128, 64, 8, 4), (128, 128, 8, 2), (128, 128, 8, 3)),
                 key=["size_class", "D", "GROUP", "CAUSAL"], prune_configs_by=tiles_of("BLOCK"))
@triton.jit
def _anchor(q, k, v, m_out, l_out, o_out, query_sums, anchor_sums, n, slots, scale, size_class, D: tl.constexpr, BLOCK: tl.constexpr,
            GROUP: tl.constexpr, INIT: tl.constexpr, LOCAL: tl.constexpr, CAUSAL: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    tile = tl.program_id(0)
    h = tl.program_id(1).to(tl.int64)
    row0 = tile * BLOCK_M
    init_end, local_start, local_end = _bounds(row0 // GROUP, n, GROUP, INIT, LOCAL, CAUSAL)
    # The two parts of the region are walked as one: its t-th key is t, or t + shift from init_end on. So only the last tile can be partly empty.
    shift = local_start - init_end
    if CAUSAL:
        count = tl.minimum(local_end, row0 + BLOCK_M) - shift
        full = tl.minimum(count, row0 + 1 - shift) // BLOCK_N * BLOCK_N  # these are allowed for every row of the tile
    else:
        count = local_end - shift
        full = count // BLOCK_N * BLOCK_N

    row = row0 + tl.arange(0, BLOCK_M)
    lane = tl.arange(0, BLOCK_N)
    d = tl.arange(0, D)
    k += h * n * D
    v += h * n * D
    qs = tl.load(q + h * n * D + row[:, None] * D + d[None, :], mask=row[:, None] < n, other=0.0)
    m = tl.full([BLOCK_M], float("-inf"), tl.float32)
    l = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, D], tl.float32)
    for t0 in range(0, full, BLOCK_N):
        t = t0 + lane
        at = tl.where(t < init_end, t, t + shift)[:, None] * D + d[None, :]
        m, l, acc = _continue(qs, tl.load(k + at), tl.load(v + at), True, m, l, acc, scale, False)
    for t0 in range(full, count, BLOCK_N):
        t = t0 + lane
        j = tl.where(t < init_end, t, t + shift)
        at = j[:, None] * D + d[None, :]
        there = t < count
        keep = there[None, :]
        if CAUSAL:
            keep = keep & (j[None, :] <= row[:, None])
        ks = tl.load(k + at, mask=there[:, None], other=0.0)
        vs = tl.load(v + at, mask=there[:, None], other=0.0)
        m, l, acc = _continue(qs, ks, vs, keep, m, l, acc, scale, True)

    tl.store(m_out + h * n + row, m, mask=row < n)
    tl.store(l_out + h * n + row, l, mask=row < n)
    tl.store(o_out + h * n * D + row[:, None] * D + d[None, :], acc, mask=row[:, None] < n)
    # Sums for the block means, while the rows are here: one slot for each 64 rows, whatever the tile; its other slots are zero.
    slot = h * slots + tile * (BLOCK_M // 64)
    tl.store(query_sums + slot * D + d, tl.sum(qs.to(tl.float32), 0))
    tl.store(anchor_sums + slot, tl.sum(tl.where(row < n, m, 0.0), 0))
    for s in tl.static_range(1, BLOCK_M // 64):
        tl.store(query_sums + (slot + s) * D + d, tl.zeros([D], tl.float32))
        tl.store(anchor_sums + slot + s, 0.0)

# ---- 2: select

@triton.jit
def _means(query_sums, anchor_sums, means, thresholds, n, slots, padded, theta, D: tl.constexpr, BLOCK: tl.constexpr, STEP: tl.constexpr):
    """Mean queries and mean anchors less theta, laid out [heads, STEP, groups]: the s-th blocks of all groups side by side."""
    b = tl.program_id(0)
    h = tl.program_id(1).to(tl.int64)
    d = tl.arange(0, D)
    slot = b * (BLOCK // 64) + tl.arange(0, BLOCK // 64)
    there = slot * 64 < n
    rows = tl.minimum(n - b * BLOCK, BLOCK)
    divisor = tl.maximum(rows, 1).to(tl.float32)
    queries = tl.load(query_sums + (h * slots + slot)[:, None] * D + d[None, :], mask=there[:, None], other=0.0)
    anchors = tl.load(anchor_sums + h * slots + slot, mask=there, other=0.0)
    at = (h * STEP + b % STEP) * padded + b // STEP
    tl.store(means + at * D + d, (tl.sum(queries, 0) / divisor).to(means.dtype.element_ty))
    # A block beyond the sequence takes nothing.
    tl.store(thresholds + at, tl.where(rows > 0, tl.sum(anchors, 0) / divisor - theta, float("inf")))

@triton.autotune([triton.Config({"BLOCK_N": 128}, num_warps=4, num_stages=2), triton.Config({"BLOCK_N": 128}, num_warps=4, num_stages=3),
                  triton.Config({"BLOCK_N": 128}, num_warps=8, num_stages=3), triton.Config({"BLOCK_N": 256}, num_warps=8, num_stages=3)],
                 key=["size_class", "D", "STEP", "CAUSAL"])
@triton.jit
def _mark(k, means, thresholds, words, n, padded, n_words, scale, size_class, D: tl.constexpr, STEP: tl.constexpr, GROUP: tl.constexpr,
          INIT: tl.constexpr, LOCAL: tl.constexpr, CAUSAL: tl.constexpr, TILE_G: tl.constexpr, BLOCK_N: tl.constexpr):
    """Bit j of (head, group): the group takes key j. A program reads its keys once and meets all groups with them."""
    key0 = tl.program_id(0) * BLOCK_N
    h = tl.program_id(1).to(tl.int64)
    j = key0 + tl.arange(0, BLOCK_N)
    d = tl.arange(0, D)
    keys = tl.trans(tl.load(k + h * n * D + j[:, None] * D + d[None, :], mask=j[:, None] < n, other=0.0))
    means += h * STEP * padded * D
    thresholds += h * STEP * padded
    words += h * padded * n_words
    first = 0
    if CAUSAL:  # groups whose candidates all lie before these keys are left out; _compact does not read so far for them
        first = ((key0 + LOCAL) // GROUP + 1) // TILE_G * TILE_G
    for g0 in range(first, padded, TILE_G):
        g = g0 + tl.arange(0, TILE_G)
        lead = tl.full([TILE_G, BLOCK_N], float("-inf"), tl.float32)
        for s in range(STEP):  # some block of the group takes the key iff the greatest lead does: no reduction across threads
            at = s * padded + g
            queries = tl.load(means + at[:, None] * D + d[None, :])
            threshold = tl.load(thresholds + at)
            lead = tl.maximum(lead, tl.dot(queries, keys) * scale - threshold[:, None])
        init_end, local_start, local_end = _bounds(g, n, GROUP, INIT, LOCAL, CAUSAL)
        candidate = (j[None, :] >= init_end[:, None]) & (j[None, :] < local_start[:, None])
        if not CAUSAL:
            candidate = candidate | ((j[None, :] >= local_end[:, None]) & (j[None, :] < n))
        taken = ((lead >= 0.0) & candidate).to(tl.int32)
        bits = tl.reshape(taken, (TILE_G, BLOCK_N // 32, 32)) << tl.arange(0, 32)[None, None, :]
        word = key0 // 32 + tl.arange(0, BLOCK_N // 32)
        tl.store(words + g[:, None] * n_words + word[None, :], tl.sum(bits, 2))

@triton.jit
def _compact(words, index, counts, n, groups, padded, n_words, GROUP: tl.constexpr, INIT: tl.constexpr, LOCAL: tl.constexpr,
             CAUSAL: tl.constexpr, WORDS: tl.constexpr):
    """A program is one warp and makes one list: a scan over the words' bit counts, then each word writes its bits from the lowest."""
    g = tl.program_id(0)
    h = tl.program_id(1).to(tl.int64)
    init_end, local_start, local_end = _bounds(g, n, GROUP, INIT, LOCAL, CAUSAL)
    end = n
    if CAUSAL:
        end = local_start
    words += (h * padded + g) * n_words
    index += (h * groups + g) * n
    total = 0
    for w0 in range(0, (end + 31) // 32, WORDS):
        w = w0 + tl.arange(0, WORDS)
        bits = tl.load(words + w, mask=w * 32 < end, other=0)
        in_word = libdevice.popc(bits).to(tl.int32)
        at = total + tl.cumsum(in_word, 0) - in_word
        total += tl.sum(in_word, 0)
        for _ in range(tl.max(in_word, 0)):
            rest = bits & (bits - 1)
            lowest = libdevice.popc((bits ^ rest) - 1).to(tl.int32)
            tl.store(index + at, w * 32 + lowest, mask=bits != 0)
            at += 1
            bits = rest
    tl.store(counts + h * groups + g, total)

# ---- 3: sparse

@triton.autotune(configs((64, 64, 4, 3), (128, 64, 4, 3), (128, 64, 8, 3), (128, 64, 8, 4), (128, 128, 8, 3), (256, 64, 8, 3)),
                 key=["size_class", "D", "GROUP", "CAUSAL"], prune_configs_by=tiles_of("GROUP"))
@triton.jit
def _sparse(q, k, v, m_in, l_in, o_in, index, counts, out, lse, n, groups, scale, size_class, D: tl.constexpr, GROUP: tl.constexpr,
            CAUSAL: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    tile = tl.program_id(0)
    if CAUSAL:  # later rows have longer lists: begin with them
        tile = tl.num_programs(0) - 1 - tile
    h = tl.program_id(1).to(tl.int64)
    row = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    lane = tl.arange(0, BLOCK_N)
    d = tl.arange(0, D)
    of = h * groups + tile * BLOCK_M // GROUP
    count = tl.load(counts + of)
    full = count // BLOCK_N * BLOCK_N
    index += of * n
    k += h * n * D
    v += h * n * D
    ours = row[:, None] * D + d[None, :]
    qs = tl.load(q + h * n * D + ours, mask=row[:, None] < n, other=0.0)
    m = tl.load(m_in + h * n + row, mask=row < n, other=0.0)
    l = tl.load(l_in + h * n + row, mask=row < n, other=1.0)
    acc = tl.load(o_in + h * n * D + ours, mask=row[:, None] < n, other=0.0)
    # The next tile's indices are loaded a turn ahead and carried over, so that all pipeline stages serve the gathered keys and values
    # (Triton shares the stages out between the links of a chain of loads inside a turn).
    j = tl.load(index + lane, mask=lane < count, other=0)
    for t0 in range(0, full, BLOCK_N):
        at = j[:, None] * D + d[None, :]
        ks = tl.load(k + at)
        vs = tl.load(v + at)
        ahead = t0 + BLOCK_N + lane
        j = tl.load(index + ahead, mask=ahead < count, other=0)
        m, l, acc = _continue(qs, ks, vs, True, m, l, acc, scale, False)
    if full < count:  # places after the list's end hold key 0, masked out
        at = j[:, None] * D + d[None, :]
        m, l, acc = _continue(qs, tl.load(k + at), tl.load(v + at), (full + lane < count)[None, :], m, l, acc, scale, True)
    tl.store(out + h * n * D + ours, (acc / l[:, None]).to(out.dtype.element_ty), mask=row[:, None] < n)
    tl.store(lse + h * n + row, (m + tl.math.log2(l)) * 0.6931471805599453, mask=row < n)

class Peer:
    """The three steps over buffers that are allocated once for a length."""

    def __init__(self, q, k, v, o):
        _, self.heads, self.n, self.d = q.shape
        if o.block < 64 or o.block & (o.block - 1) or o.step < 1 or o.init < 0 or o.local < 0 or math.isnan(o.theta):
            raise ValueError("expected --block a power of two from 64, --step from 1, --init and --local from 0, --theta a number")
        if self.d not in (16, 32, 64, 128) or not all(x.is_contiguous() and x.dtype == torch.bfloat16 and x.shape == q.shape for x in (q, k, v)):
            raise ValueError(f"expected three contiguous bfloat16 [1, heads, n, 16, 32, 64 or 128], not {list(q.shape)} {q.dtype}")
        heads, n, d = self.heads, self.n, self.d
        self.q, self.k, self.v, self.o = q, k, v, o
        self.group = o.block * o.step
        self.groups = triton.cdiv(n, self.group)
        self.tile_g = min(64, max(16, triton.next_power_of_2(self.groups)))
        self.padded = triton.cdiv(self.groups, self.tile_g) * self.tile_g
        self.slots = self.groups * self.group // 64
        self.n_words = triton.cdiv(n, 256) * 8
        self.scale, self.size_class = LOG2E / math.sqrt(d), triton.next_power_of_2(n)
        self.region = dict(GROUP=self.group, INIT=o.init, LOCAL=o.local, CAUSAL=o.causal)

        def new(*shape, dtype=torch.float32):
            return torch.empty(shape, dtype=dtype, device=q.device)

        self.m, self.l, self.acc, self.lse = new(heads, n), new(heads, n), new(heads, n, d), new(heads, n)
        self.query_sums, self.anchor_sums = new(heads, self.slots, d), new(heads, self.slots)
        self.means, self.thresholds = new(heads, o.step, self.padded, d, dtype=q.dtype), new(heads, o.step, self.padded)
        self.words = new(heads, self.padded, self.n_words, dtype=torch.int32)
        # Room for full lists, as the authors have it, but never cleared: no count has to reach the host before the next kernel.
        self.index, self.counts = new(heads, self.groups, n, dtype=torch.int32), new(heads, self.groups, dtype=torch.int32)
        self.out = torch.empty_like(q)

    def anchor(self):
        _anchor[lambda c: (triton.cdiv(self.n, c["BLOCK_M"]), self.heads)](
            self.q, self.k, self.v, self.m, self.l, self.acc, self.query_sums, self.anchor_sums, self.n, self.slots, self.scale,
            self.size_class, D=self.d, BLOCK=self.o.block, **self.region)

    def select(self):
        _means[(self.padded * self.o.step, self.heads)](
            self.query_sums, self.anchor_sums, self.means, self.thresholds, self.n, self.slots, self.padded, self.o.theta * LOG2E,
            D=self.d, BLOCK=self.o.block, STEP=self.o.step, num_warps=1)
        _mark[lambda c: (triton.cdiv(self.n, c["BLOCK_N"]), self.heads)](
            self.k, self.means, self.thresholds, self.words, self.n, self.padded, self.n_words, self.scale, self.size_class,
            D=self.d, STEP=self.o.step, TILE_G=self.tile_g, **self.region)
        _compact[(self.groups, self.heads)](
            self.words, self.index, self.counts, self.n, self.groups, self.padded, self.n_words, WORDS=128, num_warps=1, **self.region)

    def sparse(self):
        _sparse[lambda c: (triton.cdiv(self.n, c["BLOCK_M"]), self.heads)](
            self.q, self.k, self.v, self.m, self.l, self.acc, self.index, self.counts, self.out, self.lse, self.n, self.groups,
            self.scale, self.size_class, D=self.d, GROUP=self.group, CAUSAL=self.o.causal)

    def __call__(self):
        self.anchor()
        self.select()
        self.sparse()
        return self.out

def groups_of(n, o):
    """AnchorGroup.Of once more, apart from the kernels: (start, end, init end, local start, local end, candidate end)."""
    for start in range(0, n, o.block * o.step):
        end, local_start = min(n, start + o.block * o.step), max(0, start - o.local)
        local_end = end if o.causal else max(min(n, end + o.local), min(n, o.init))
        yield start, end, min(o.init, local_start), local_start, local_end, end if o.causal else n

def density(peer):
    """Attended pairs over allowed pairs."""
    n, causal, pairs = peer.n, peer.o.causal, 0
    for (start, end, init_end, local_start, local_end, _), selected in zip(groups_of(n, peer.o), peer.counts.sum(0).tolist(), strict=True):
        rows = end - start
        pairs += selected * rows + peer.heads * (rows * (init_end + local_end - local_start) - (rows * (rows - 1) // 2 if causal else 0))
    return pairs / (peer.heads * (n * (n + 1) // 2 if causal else n * n))

def check(peer):
    """The lists against float64 scores, then output and lse against attention masked by these lists; raises."""
    o, n, tolerance = peer.o, peer.n, peer.o.tolerance
    peer()  # autotune first: what counts is a call after the buffers were poisoned
    for buffer in (peer.out, peer.lse, peer.m, peer.l, peer.acc, peer.words, peer.index, peer.counts):
        buffer.fill_(math.nan if buffer.is_floating_point() else -1)
    peer()
    key = torch.arange(n, device="cuda")
    allowed = key[None, :] <= key[:, None] if o.causal else torch.ones(n, n, dtype=torch.bool, device="cuda")
    square, whole, worst_lse, differing, furthest = 0.0, 0.0, 0.0, 0, 0.0
    for h in range(peer.heads):
        logits = peer.q[0, h].double() @ peer.k[0, h].double().T / math.sqrt(peer.d)
        attended = torch.zeros_like(allowed)
        for g, (start, end, init_end, local_start, local_end, candidate_end) in enumerate(groups_of(n, o)):
            region = ((key < init_end) | ((key >= local_start) & (key < local_end))) & allowed[start:end]
            rows = logits[start:end]
            anchors = rows.masked_fill(~region, -math.inf).amax(1)
            score = torch.stack([x.mean() - r.mean(0) for x, r in zip(anchors.split(o.block), rows.split(o.block))]).amin(0)
            candidate = ((key >= init_end) & (key < local_start)) | ((key >= local_end) & (key < candidate_end))
            found = peer.index[h, g, :int(peer.counts[h, g])].long()
            inside = bool(((found >= 0) & (found < n)).all())
            if not inside or not bool(candidate[found].all() & (found[1:] > found[:-1]).all()):
                raise AssertionError(f"n {n}, head {h}, group {g}: the list does not ascend, or holds what is no candidate")
            taken = torch.zeros(n, dtype=torch.bool, device="cuda")
            taken[found] = True
            off = (score - o.theta).abs()[taken != ((score <= o.theta) & candidate)]
            if off.numel():
                differing, furthest = differing + off.numel(), max(furthest, float(off.max()))
                if not furthest <= tolerance:
                    raise AssertionError(f"n {n}, head {h}, group {g}: a key {furthest:.3f} nats from theta is listed wrongly")
            attended[start:end] = region | taken
        masked = logits.float().masked_fill(~attended, -math.inf)
        expected = masked.softmax(1) @ peer.v[0, h].float()
        square += float((peer.out[0, h].float() - expected).square().sum())
        whole += float(expected.square().sum())
        lse_error = (peer.lse[h] - masked.logsumexp(1)).abs()
        worst_lse = max(worst_lse, float(lse_error.max())) if bool(lse_error.isfinite().all()) else math.nan
        if not worst_lse <= 2e-3:
            raise AssertionError(f"n {n}, head {h}: lse is off by {worst_lse}")
    error = math.sqrt(square / whole)
    if not error <= 1e-2:
        raise AssertionError(f"n {n}: the output's relative error is {error}")
    print(f"# n {n} checked: relative error {error:.2e}, lse within {worst_lse:.1e}, {differing} keys listed differently, up to {furthest:.4f} nats from theta")

def timed(functions, graph):
    """Milliseconds a call, for each function: the median of ten rounds, all functions in turn; ten calls in a row, of slow functions one."""
    def row(call, times):
        for _ in range(times):
            call()

    def between(run):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)

    runs = {}
    for name, call in functions.items():
        row(call, 2)  # tunes, compiles
        times = 10 if between(call) < 20 else 1
        run = lambda call=call, times=times: row(call, times)
        if graph:
            captured = torch.cuda.CUDAGraph()
            with torch.cuda.graph(captured):
                run()
            run = captured.replay
        run()
        runs[name] = (run, times, [])
    for _ in range(10):
        for run, times, samples in runs.values():
            samples.append(between(run) / times)
    return {name: statistics.median(samples) for name, (_, _, samples) in runs.items()}

def structured(heads, n, d, seed):
    """AttentionInputs.Structured on the GPU; the numbers are other ones, as another generator draws them."""
    generator = torch.Generator("cuda").manual_seed(seed)
    lengths, rng = [], random.Random(seed)
    while sum(lengths) < n:
        lengths.append(min(rng.randint(256, 1024), n - sum(lengths)))
    segments, unit, waves, topic_size = len(lengths), math.sqrt(d), d * 3 // 16, d // 8
    noise_size = d - 1 - 2 * waves - topic_size
    randn = lambda *shape: torch.randn(shape, generator=generator, device="cuda")
    rand = lambda *shape: torch.rand(shape, generator=generator, device="cuda")
    noise = lambda: randn(heads, n, noise_size) * math.sqrt(1.2 * unit / math.sqrt(noise_size))
    sink = torch.zeros(heads, n, 1, device="cuda")
    sink[:, :4] = (14 + max(0.0, 2.5 * math.log(n / 16384))) * unit
    frequencies = torch.exp(rand(heads, 1, waves) * math.log(64) - math.log(512)) * (2 * math.pi)
    angles = torch.arange(n, device="cuda")[:, None] * frequencies
    local = torch.cat([angles.cos(), angles.sin()], 2) * math.sqrt(14 * unit / waves)
    owners = torch.repeat_interleave(torch.tensor(lengths, device="cuda"))
    topics = F.normalize(randn(heads, segments, topic_size), dim=2)
    asked = topics[:, owners] * unit
    heavy = (rand(heads, n, 1) < 0.01) * topics[:, torch.randint(segments, (n,), generator=generator, device="cuda")] * 12
    q = torch.cat([torch.ones(heads, n, 1, device="cuda"), local, asked, noise()], 2)
    return q, torch.cat([sink, local, heavy, noise()], 2), randn(heads, n, d)

def sequences(o):
    """(name, q, k, v) of each sequence, [heads, n, d]."""
    if o.input is None:
        for n in o.lengths or [4096, 8192, 16384, 32768, 65536, 131072]:
            yield "structured", *structured(o.heads, n, o.dim, o.seed)
        return
    from safetensors import safe_open
    with safe_open(o.input, framework="pt") as file:
        names = sorted(file.keys())
        stems = [name[:-1] for name in names if name == "q" or name.endswith(".q")]
        if not stems:
            raise ValueError(f"{o.input}: expected q, k and v, or NAME.q, NAME.k and NAME.v; it holds {names[:8]}")
        for stem in stems:
            q, k, v = (file.get_tensor(stem + part).cuda() for part in "qkv")
            for n in [n for n in o.lengths if n <= q.shape[1]] if o.lengths else [q.shape[1]]:
                yield stem.rstrip(".") or o.input, q[:, :n], k[:, :n], v[:, :n]

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lengths", type=lambda text: [int(n) for n in text.split(",")])
    for name, kind, default in (("dim", int, 64), ("heads", int, 16), ("block", int, 128), ("step", int, 4), ("init", int, 64), ("local", int, 64),
                                ("theta", float, 12.0), ("seed", int, 1), ("tolerance", float, 0.05),
                                ("check-up-to", int, 4096), ("dense", str, "flash,cudnn"), ("input", str, None), ("save", str, None), ("json", str, None)):
        parser.add_argument("--" + name, type=kind, default=default)
    parser.add_argument("--causal", action="store_true")
    parser.add_argument("--graph", action="store_true", help="time replays of CUDA graphs: without the launches' cost on the host")
    o = parser.parse_args()
    backends = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
    print(f"# {torch.cuda.get_device_name()}, torch {torch.__version__}, triton {triton.__version__}, {vars(o)}")
    print("name n selected(mean,max) density anchor_ms select_ms sparse_ms total_ms dense_ms dense_by ratio", flush=True)
    results, saved = [], {}
    for name, *parts in sequences(o):
        q, k, v = (x.to(torch.bfloat16).unsqueeze(0).contiguous() for x in parts)
        parts.clear()
        if o.save:
            saved.update({f"{name}{q.shape[2]:06}.{part}": x[0].cpu() for part, x in zip("qkv", (q, k, v))})

        def dense(backend):
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(q, k, v, is_causal=o.causal)

        peer = Peer(q, k, v, o)
        peer()
        if peer.n <= o.check_up_to:
            check(peer)
        ms = timed({"anchor": peer.anchor, "select": peer.select, "sparse": peer.sparse, "total": peer,
                    **{b: lambda b=b: dense(backends[b]) for b in o.dense.split(",")}}, o.graph)
        by = min(o.dense.split(","), key=ms.get)
        selected = peer.counts.float()
        result = dict(name=name, n=peer.n, heads=peer.heads, dim=peer.d, selected=selected.mean().item(), most=int(selected.max()), density=density(peer),
                      ms=ms, dense=ms[by], dense_by=by, ratio=ms[by] / ms["total"],
                      tuned={f.base_fn.__name__: str(f.best_config) for f in (_anchor, _mark, _sparse)})
        results.append(result)
        print(f"{name} {peer.n} {result['selected']:.1f},{result['most']} {result['density']:.5f} {ms['anchor']:.3f} {ms['select']:.3f} {ms['sparse']:.3f} "
              f"{ms['total']:.3f} {ms[by]:.3f} {by} {result['ratio']:.2f}", flush=True)
        if o.json:
            with open(o.json, "w", encoding="utf-8") as file:
                json.dump(dict(device=torch.cuda.get_device_name(), torch=torch.__version__, triton=triton.__version__, options=vars(o), results=results),
                          file, indent=1)
        del peer, q, k, v
    if o.save:
        from safetensors.torch import save_file
        save_file(saved, o.save)

if __name__ == "__main__":
    main()
