// Forward: rows over their anchor region with the state kept, then on from that state over their stripes. 4 warps, each of 32 rows.
#define ROWS 128
#define SLOTS 64
#define FORWARD_THREADS 128
#ifndef STAGES
#define STAGES (D == 64 ? 3 : 2)
#endif
#ifndef FORWARD_BLOCKS
#define FORWARD_BLOCKS 2
#endif
#ifndef KEEP_QUERIES
#define KEEP_QUERIES (D == 64)
#endif

struct ForwardShared
{
    uint4 q[ROWS * CHUNKS];
    uint4 k[STAGES][SLOTS * CHUNKS];
    uint4 v[STAGES][SLOTS * CHUNKS];
    int list[WINDOW];
    int totals[FORWARD_THREADS / 32];
};

struct RowState
{
    float o[2][CHUNKS][4]; // 32 rows x D in the places of two accumulators; not yet divided by l
    float m[2][2];         // largest logit so far, in units of log 2
    float l[2][2];         // this thread's share of the normaliser
};

// Goes on with the softmax over `count` keys. causalRow: the sequence's row of the tile's first row, where rows see no later keys.
template <class Keys, bool Causal>
__device__ __forceinline__ void attend(ForwardShared& s, RowState& state, const u16* k, const u16* v, long long stride, int count, Keys key, int firstRow
#if KEEP_QUERIES
    , const u32 (&qf)[2][KSTEPS][4]
#endif
)
{
    const int lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * 32;
    const int tiles = (count + SLOTS - 1) / SLOTS;
#pragma unroll
    for (int t = 0; t < STAGES - 1; t++)
    {
        if (t < tiles)
        {
            load_keys<SLOTS, FORWARD_THREADS>(shared_address(s.k[t]), shared_address(s.v[t]), k, v, stride, t * SLOTS, count, key);
        }
        copy_commit();
    }
    for (int t = 0; t < tiles; t++)
    {
        copy_wait<STAGES - 2>();
        __syncthreads();
        {
            const int ahead = t + STAGES - 1, slot = ahead % STAGES;
            if (ahead < tiles)
            {
                load_keys<SLOTS, FORWARD_THREADS>(shared_address(s.k[slot]), shared_address(s.v[slot]), k, v, stride, ahead * SLOTS, count, key);
            }
            copy_commit();
        }
        const u32 kt = shared_address(s.k[t % STAGES]), vt = shared_address(s.v[t % STAGES]);
        float logits[2][SLOTS / 8][4] = {};
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
        {
            u32 a[2][4];
#pragma unroll
            for (int mt = 0; mt < 2; mt++)
            {
#if KEEP_QUERIES
                a[mt][0] = qf[mt][ks][0], a[mt][1] = qf[mt][ks][1], a[mt][2] = qf[mt][ks][2], a[mt][3] = qf[mt][ks][3];
#else
                fragment_a(a[mt], shared_address(s.q), warpRow + mt * 16, ks);
#endif
            }
#pragma unroll
            for (int nt = 0; nt < SLOTS / 16; nt++)
            {
                u32 b[4];
                fragment_b(b, kt, nt * 16, ks);
#pragma unroll
                for (int mt = 0; mt < 2; mt++)
                {
                    multiply(logits[mt][nt * 2], a[mt], b[0], b[1]);
                    multiply(logits[mt][nt * 2 + 1], a[mt], b[2], b[3]);
                }
            }
        }

        const int first = t * SLOTS;
        const bool tail = first + SLOTS > count;
        if (tail || (Causal && key(first + SLOTS - 1) > firstRow + warpRow))
        {
#pragma unroll
            for (int nt = 0; nt < SLOTS / 8; nt++)
#pragma unroll
                for (int e = 0; e < 2; e++)
                {
                    const int slot = first + nt * 8 + (lane & 3) * 2 + e;
                    const int last = slot >= count ? -1 : Causal ? key(slot) : 0; // rows before it do not see the key
#pragma unroll
                    for (int mt = 0; mt < 2; mt++)
#pragma unroll
                        for (int h = 0; h < 2; h++)
                        {
                            const int row = firstRow + warpRow + mt * 16 + h * 8 + (lane >> 2);
                            if (last < 0 || (Causal && last > row))
                            {
                                logits[mt][nt][h * 2 + e] = -__int_as_float(0x7f800000);
                            }
                        }
                }
        }

#pragma unroll
        for (int mt = 0; mt < 2; mt++)
#pragma unroll
            for (int h = 0; h < 2; h++)
            {
                float top = logits[mt][0][h * 2];
#pragma unroll
                for (int nt = 0; nt < SLOTS / 8; nt++)
                {
                    top = fmaxf(top, fmaxf(logits[mt][nt][h * 2], logits[mt][nt][h * 2 + 1]));
                }
                const float m = fmaxf(state.m[mt][h], quad_max(top) * SCALE2);
                const float shrink = exp2_of(state.m[mt][h] - m);
                state.m[mt][h] = m;
                float sum = 0;
#pragma unroll
                for (int nt = 0; nt < SLOTS / 8; nt++)
                {
                    logits[mt][nt][h * 2] = exp2_of(fmaf(logits[mt][nt][h * 2], SCALE2, -m));
                    logits[mt][nt][h * 2 + 1] = exp2_of(fmaf(logits[mt][nt][h * 2 + 1], SCALE2, -m));
                    sum += logits[mt][nt][h * 2] + logits[mt][nt][h * 2 + 1];
                }
                state.l[mt][h] = state.l[mt][h] * shrink + sum;
#pragma unroll
                for (int dt = 0; dt < CHUNKS; dt++)
                {
                    state.o[mt][dt][h * 2] *= shrink;
                    state.o[mt][dt][h * 2 + 1] *= shrink;
                }
            }

#pragma unroll
        for (int js = 0; js < SLOTS / 16; js++)
        {
            u32 a[2][4];
#pragma unroll
            for (int mt = 0; mt < 2; mt++)
            {
                a[mt][0] = pack(logits[mt][js * 2][0], logits[mt][js * 2][1]);
                a[mt][1] = pack(logits[mt][js * 2][2], logits[mt][js * 2][3]);
                a[mt][2] = pack(logits[mt][js * 2 + 1][0], logits[mt][js * 2 + 1][1]);
                a[mt][3] = pack(logits[mt][js * 2 + 1][2], logits[mt][js * 2 + 1][3]);
            }
#pragma unroll
            for (int dt = 0; dt < CHUNKS / 2; dt++)
            {
                u32 b[4];
                fragment_t(b, vt, js * 16, dt * 2);
#pragma unroll
                for (int mt = 0; mt < 2; mt++)
                {
                    multiply(state.o[mt][dt * 2], a[mt], b[0], b[1]);
                    multiply(state.o[mt][dt * 2 + 1], a[mt], b[2], b[3]);
                }
            }
        }
    }
    copy_wait<0>();
    __syncthreads(); // the buffers are free again
}

#if KEEP_QUERIES
#define QUERIES , qf
#define READ_QUERIES \
    u32 qf[2][KSTEPS][4]; \
    _Pragma("unroll") for (int mt = 0; mt < 2; mt++) _Pragma("unroll") for (int ks = 0; ks < KSTEPS; ks++) \
        fragment_a(qf[mt][ks], shared_address(s.q), (threadIdx.x >> 5) * 32 + mt * 16, ks)
#else
#define QUERIES
#define READ_QUERIES
#endif

// Where a block keeps its unfinished output between the phases: each thread's numbers, 16 bytes at a time.
__device__ __forceinline__ float4* state_of(float* states, const Shape& p)
{
    const long long tile = (long long)blockIdx.y * p.tiles + blockIdx.x;
    return (float4*)states + tile * (2 * CHUNKS * FORWARD_THREADS) + threadIdx.x;
}

// Row tiles of a group.
__device__ __forceinline__ int tiles_of(const Shape& p) { return (p.groupRows + ROWS - 1) / ROWS; }

// Grid: groups times their row tiles, heads.
extern "C" __global__ void __launch_bounds__(FORWARD_THREADS, FORWARD_BLOCKS)
anchor_forward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, float* __restrict__ states, float* __restrict__ maxima,
    float* __restrict__ sums, const Group* __restrict__ groups, Shape p)
{
    extern __shared__ uint4 memory[];
    ForwardShared& s = *(ForwardShared*)memory;
    const Group g = groups[blockIdx.x / tiles_of(p)];
    const Bounds b = bounds_of(g, p);
    const int firstRow = g.start + blockIdx.x % tiles_of(p) * ROWS, lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * 32;
    if (firstRow >= b.end)
    {
        return;
    }
    const long long offset = g.base + blockIdx.y * p.headStride;
    load_rows<ROWS, FORWARD_THREADS>(shared_address(s.q), q + offset, p.rowStride, firstRow, b.end);
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    READ_QUERIES;
    RowState state = {};
#pragma unroll
    for (int i = 0; i < 4; i++)
    {
        state.m[i >> 1][i & 1] = -__int_as_float(0x7f800000);
    }
    // Of the keys from a group's first row on, a causal tile needs those up to its own last row.
    const int last = CAUSAL ? min2(b.localEnd, firstRow + ROWS) : b.localEnd;
    attend<AnchorKeys, CAUSAL>(s, state, k + offset, v + offset, p.rowStride, b.initEnd + last - b.localStart, AnchorKeys(b), firstRow QUERIES);

    float4* out = state_of(states, p);
#pragma unroll
    for (int mt = 0; mt < 2; mt++)
    {
#pragma unroll
        for (int dt = 0; dt < CHUNKS; dt++)
        {
            float4 x;
            x.x = state.o[mt][dt][0], x.y = state.o[mt][dt][1], x.z = state.o[mt][dt][2], x.w = state.o[mt][dt][3];
            out[(mt * CHUNKS + dt) * FORWARD_THREADS] = x;
        }
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const float l = quad_sum(state.l[mt][h]);
            const int row = firstRow + warpRow + mt * 16 + h * 8 + (lane >> 2);
            if ((lane & 3) == 0 && row < b.end)
            {
                const long long at = (long long)blockIdx.y * p.rows + g.row0 + row;
                maxima[at] = state.m[mt][h];
                sums[at] = l;
            }
        }
    }
}

// Goes on from anchor_forward's state over the stripes of the mask, and writes the output and the logarithm of the normaliser in place of the sums.
extern "C" __global__ void __launch_bounds__(FORWARD_THREADS, FORWARD_BLOCKS)
stripe_forward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, const float* __restrict__ states,
    const float* __restrict__ maxima, float* __restrict__ sums, const u32* __restrict__ masks, u16* __restrict__ output,
    const Group* __restrict__ groups, Shape p)
{
    extern __shared__ uint4 memory[];
    ForwardShared& s = *(ForwardShared*)memory;
    const Group g = groups[blockIdx.x / tiles_of(p)];
    const Bounds b = bounds_of(g, p);
    const int firstRow = g.start + blockIdx.x % tiles_of(p) * ROWS, lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * 32;
    if (firstRow >= b.end)
    {
        return;
    }
    const long long offset = g.base + blockIdx.y * p.headStride;
    load_rows<ROWS, FORWARD_THREADS>(shared_address(s.q), q + offset, p.rowStride, firstRow, b.end);
    copy_commit();
    RowState state;
    const float4* from = state_of((float*)states, p);
#pragma unroll
    for (int mt = 0; mt < 2; mt++)
    {
#pragma unroll
        for (int dt = 0; dt < CHUNKS; dt++)
        {
            const float4 x = from[(mt * CHUNKS + dt) * FORWARD_THREADS];
            state.o[mt][dt][0] = x.x, state.o[mt][dt][1] = x.y, state.o[mt][dt][2] = x.z, state.o[mt][dt][3] = x.w;
        }
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const int row = min2(firstRow + warpRow + mt * 16 + h * 8 + (lane >> 2), b.end - 1);
            const long long at = (long long)blockIdx.y * p.rows + g.row0 + row;
            state.m[mt][h] = maxima[at];
            state.l[mt][h] = (lane & 3) == 0 ? sums[at] : 0;
        }
    }
    copy_wait<0>();
    __syncthreads();
    READ_QUERIES;
    Stripes<FORWARD_THREADS> stripes(masks + blockIdx.y * p.words + g.mask, candidates_end(b), s.list, s.totals);
    ListedKeys key = {s.list};
    for (int count = stripes.next(); count > 0; count = stripes.next())
    {
        attend<ListedKeys, false>(s, state, k + offset, v + offset, p.rowStride, count, key, firstRow QUERIES);
    }

#pragma unroll
    for (int mt = 0; mt < 2; mt++)
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const float l = quad_sum(state.l[mt][h]), share = 1 / l;
            const int row = firstRow + warpRow + mt * 16 + h * 8 + (lane >> 2);
            if (row < b.end)
            {
                u32* to = (u32*)(output + offset + row * p.rowStride) + (lane & 3);
#pragma unroll
                for (int dt = 0; dt < CHUNKS; dt++)
                {
                    to[dt * 4] = pack(state.o[mt][dt][h * 2] * share, state.o[mt][dt][h * 2 + 1] * share);
                }
                if ((lane & 3) == 0)
                {
                    sums[(long long)blockIdx.y * p.rows + g.row0 + row] = (state.m[mt][h] + log2f(l)) * LN2;
                }
            }
        }
}
