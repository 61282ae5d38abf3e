// Forward: rows over their anchor region with the state kept, then on from that state over their stripes.
#define ROWS 128
#define SLOTS 64 // keys of a tile

// Row tiles of a group.
__device__ __forceinline__ int tiles_of(const Shape& p) { return (p.groupRows + ROWS - 1) / ROWS; }

// What the mean query's product with a key must reach: the mean anchor less theta, in units of the product.
__device__ __forceinline__ float threshold_of(float meanAnchor, const Shape& p) { return (meanAnchor - p.theta * LOG2E) / SCALE2; }

#if !(HOPPER && D == 128) // see forward_wide.cu
#if HOPPER // two groups of four warps, each of 64 rows
#define FORWARD_THREADS 256
#define MT 1
#else // four warps, each of 32 rows
#define FORWARD_THREADS 128
#define MT 2
#endif
#define STAGES (D == 64 ? 3 : 2)
#define FORWARD_BLOCKS 2 // at one time on a multiprocessor
// In registers, or taken from shared memory for every tile.
#define KEEP_QUERIES (!HOPPER && D == 64)

struct ForwardShared
{
    uint4 q[ROWS * CHUNKS];
    uint4 k[STAGES][SLOTS * CHUNKS];
    uint4 v[STAGES][SLOTS * CHUNKS];
    int list[WINDOW];
};

struct RowState
{
    float o[MT][CHUNKS][4]; // the warp's rows x D in the places of accumulators of 16 rows; not yet divided by l
    float m[MT][2];         // largest logit so far, in units of log 2
    float l[MT][2];         // this thread's share of the normaliser
};

#if KEEP_QUERIES
struct Queries
{
    u32 a[MT][KSTEPS][4];
    __device__ __forceinline__ Queries(u32 tile)
    {
#pragma unroll
        for (int mt = 0; mt < MT; mt++)
#pragma unroll
            for (int ks = 0; ks < KSTEPS; ks++)
            {
                fragment_a<ROWS>(a[mt][ks], tile, (threadIdx.x >> 5) * 16 * MT + mt * 16, ks);
            }
    }
    __device__ __forceinline__ void read(u32 (&r)[4], int mt, int ks) const
    {
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            r[i] = a[mt][ks][i];
        }
    }
};
#elif HOPPER
struct Queries
{
    u32 rows; // those of the thread's group of warps
    __device__ __forceinline__ Queries(u32 tile) : rows(tile + (threadIdx.x >> 7) * 64 * 128) {}
};
#else
struct Queries
{
    u32 tile;
    __device__ __forceinline__ Queries(u32 tile) : tile(tile) {}
    __device__ __forceinline__ void read(u32 (&r)[4], int mt, int ks) const { fragment_a<ROWS>(r, tile, (threadIdx.x >> 5) * 16 * MT + mt * 16, ks); }
};
#endif

// logits = q kT, of the warp's rows and a tile's keys; to be waited for.
__device__ __forceinline__ void score(float (&logits)[MT][SLOTS / 8][4], const Queries& q, u32 keys)
{
#if HOPPER
    products_begin();
#pragma unroll
    for (int ks = 0; ks < KSTEPS; ks++)
    {
        multiply_tiles(logits[0], descriptor(q.rows) + ks * 2, descriptor(keys) + ks * 2, ks > 0); // 32 bytes further
    }
    products_commit();
#else
#pragma unroll
    for (int mt = 0; mt < MT; mt++)
#pragma unroll
        for (int nt = 0; nt < SLOTS / 8; nt++)
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                logits[mt][nt][i] = 0;
            }
#pragma unroll
    for (int ks = 0; ks < KSTEPS; ks++)
    {
        u32 a[MT][4];
#pragma unroll
        for (int mt = 0; mt < MT; mt++)
        {
            q.read(a[mt], mt, ks);
        }
#pragma unroll
        for (int nt = 0; nt < SLOTS / 16; nt++)
        {
            u32 b[4];
            fragment_b<SLOTS>(b, keys, nt * 16, ks);
#pragma unroll
            for (int mt = 0; mt < MT; mt++)
            {
                multiply(logits[mt][nt * 2], a[mt], b[0], b[1]);
                multiply(logits[mt][nt * 2 + 1], a[mt], b[2], b[3]);
            }
        }
    }
#endif
}

// o += p v, p in the places of score's logits.
__device__ __forceinline__ void blend(float (&o)[MT][CHUNKS][4], const float (&p)[MT][SLOTS / 8][4], u32 values)
{
    u32 a[SLOTS / 16][MT][4];
#pragma unroll
    for (int js = 0; js < SLOTS / 16; js++)
#pragma unroll
        for (int mt = 0; mt < MT; mt++)
        {
            a[js][mt][0] = pack(p[mt][js * 2][0], p[mt][js * 2][1]);
            a[js][mt][1] = pack(p[mt][js * 2][2], p[mt][js * 2][3]);
            a[js][mt][2] = pack(p[mt][js * 2 + 1][0], p[mt][js * 2 + 1][1]);
            a[js][mt][3] = pack(p[mt][js * 2 + 1][2], p[mt][js * 2 + 1][3]);
        }
#if HOPPER
#pragma unroll
    for (int js = 0; js < SLOTS / 16; js++)
    {
        hold(a[js][0]);
    }
    hold(o[0]);
    products_begin();
#pragma unroll
    for (int js = 0; js < SLOTS / 16; js++)
    {
        multiply_rows(o[0], a[js][0], descriptor(values) + js * 128); // 16 rows further
    }
    products_commit();
    products_wait<0>();
    hold(o[0]);
#else
#pragma unroll
    for (int js = 0; js < SLOTS / 16; js++)
#pragma unroll
        for (int dt = 0; dt < CHUNKS / 2; dt++)
        {
            u32 b[4];
            fragment_t<SLOTS>(b, values, js * 16, dt * 2);
#pragma unroll
            for (int mt = 0; mt < MT; mt++)
            {
                multiply(o[mt][dt * 2], a[js][mt], b[0], b[1]);
                multiply(o[mt][dt * 2 + 1], a[js][mt], b[2], b[3]);
            }
        }
#endif
}

// Makes probabilities, relative to the largest logit so far, of the logits of slots [first, first + SLOTS).
template <class Keys, bool Causal>
__device__ __forceinline__ void soften(float (&logits)[MT][SLOTS / 8][4], RowState& state, int first, int count, Keys key, int firstRow)
{
    const int lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * 16 * MT;
    if (first + SLOTS > count || (Causal && key(first + SLOTS - 1) > firstRow + warpRow))
    {
#pragma unroll
        for (int nt = 0; nt < SLOTS / 8; nt++)
#pragma unroll
            for (int e = 0; e < 2; e++)
            {
                const int slot = first + nt * 8 + (lane & 3) * 2 + e;
                const int from = slot >= count ? 0x7fffffff : Causal ? key(slot) : 0; // rows before it do not see the key
#pragma unroll
                for (int mt = 0; mt < MT; mt++)
#pragma unroll
                    for (int h = 0; h < 2; h++)
                    {
                        if (from > firstRow + warpRow + mt * 16 + h * 8 + (lane >> 2))
                        {
                            logits[mt][nt][h * 2 + e] = -INFINITE;
                        }
                    }
            }
    }
    float m[MT][2];
    bool same = true;
#pragma unroll
    for (int mt = 0; mt < MT; mt++)
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            float top = logits[mt][0][h * 2];
#pragma unroll
            for (int nt = 0; nt < SLOTS / 8; nt++)
            {
                top = fmaxf(top, fmaxf(logits[mt][nt][h * 2], logits[mt][nt][h * 2 + 1]));
            }
            m[mt][h] = fmaxf(state.m[mt][h], quad_max(top) * SCALE2);
            same = same && m[mt][h] == state.m[mt][h];
        }
    if (D == 128 || !__all_sync(ALL, same)) // what is there shrinks; with rows of 128 numbers, asking first takes registers that are not there
    {
#pragma unroll
        for (int mt = 0; mt < MT; mt++)
#pragma unroll
            for (int h = 0; h < 2; h++)
            {
                const float shrink = exp2_of(state.m[mt][h] - m[mt][h]);
                state.m[mt][h] = m[mt][h];
                state.l[mt][h] *= shrink;
#pragma unroll
                for (int dt = 0; dt < CHUNKS; dt++)
                {
                    state.o[mt][dt][h * 2] *= shrink, state.o[mt][dt][h * 2 + 1] *= shrink;
                }
            }
    }
#pragma unroll
    for (int mt = 0; mt < MT; mt++)
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            float sum = 0;
#pragma unroll
            for (int nt = 0; nt < SLOTS / 8; nt++)
            {
                logits[mt][nt][h * 2] = exp2_of(fmaf(logits[mt][nt][h * 2], SCALE2, -state.m[mt][h]));
                logits[mt][nt][h * 2 + 1] = exp2_of(fmaf(logits[mt][nt][h * 2 + 1], SCALE2, -state.m[mt][h]));
                sum += logits[mt][nt][h * 2] + logits[mt][nt][h * 2 + 1];
            }
            state.l[mt][h] += sum;
        }
}

// Goes on with the softmax over `count` keys, at least one. firstRow: the tile's first row in its sequence.
template <class Keys, bool Causal>
__device__ __forceinline__ void attend(
    ForwardShared& s, RowState& state, const Queries& q, const u16* k, const u16* v, long long stride, int count, Keys key, int firstRow)
{
    // Loads a tile if there is one; the group of copies is counted either way.
    auto load = [&](int first, int stage) {
        if (first < count)
        {
            load_keys<SLOTS, FORWARD_THREADS>(shared_address(s.k[stage]), shared_address(s.v[stage]), k, v, stride, first, count, key);
        }
        copy_commit();
    };
    for (int t = 0; t < STAGES - 1; t++)
    {
        load(t * SLOTS, t);
    }
    for (int first = 0, stage = 0; first < count; first += SLOTS, stage = stage + 1 == STAGES ? 0 : stage + 1)
    {
        const int free = stage == 0 ? STAGES - 1 : stage - 1;
        copy_wait<STAGES - 2>();
#if HOPPER
        show_to_products();
#endif
        __syncthreads();
        if (D == 128)
        {
            load(first + (STAGES - 1) * SLOTS, free); // before registers are taken
        }
        float logits[MT][SLOTS / 8][4];
        score(logits, q, shared_address(s.k[stage]));
        if (D == 64)
        {
            load(first + (STAGES - 1) * SLOTS, free);
        }
#if HOPPER
        products_wait<0>();
        hold(logits[0]);
#endif
        soften<Keys, Causal>(logits, state, first, count, key, firstRow);
        blend(state.o, logits, shared_address(s.v[stage]));
    }
    copy_wait<0>();
    __syncthreads(); // the buffers are free again
}

// All threads wait for the tile's queries.
__device__ __forceinline__ void wait_for_queries()
{
    copy_wait<0>();
#if HOPPER
    show_to_products();
#endif
    __syncthreads();
}

// Where a block keeps its unfinished output between the phases: each thread's numbers, 16 bytes at a time.
__device__ __forceinline__ float4* state_of(float* states, const Shape& p)
{
    const long long tile = (long long)blockIdx.y * p.tiles + blockIdx.x;
    return (float4*)states + tile * (MT * CHUNKS * FORWARD_THREADS) + threadIdx.x;
}

// A tile that is a block: its mean query and threshold, as block_means finds them where blocks are of another size.
__device__ __forceinline__ void tile_means(ForwardShared& s, const RowState& state, int rows, long long block, u16* meanQueries, float* thresholds, const Shape& p)
{
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, pair = threadIdx.x % (D / 2), part = threadIdx.x / (D / 2);
    const int parts = FORWARD_THREADS / (D / 2);
    float anchor = 0;
#pragma unroll
    for (int mt = 0; mt < MT; mt++)
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            anchor += warp * 16 * MT + mt * 16 + h * 8 + (lane >> 2) < rows ? state.m[mt][h] : 0;
        }
#pragma unroll
    for (int step = 4; step < 32; step *= 2)
    {
        anchor += __shfl_xor_sync(ALL, anchor, step);
    }
    float* const sums = (float*)s.list;                // [parts][D]
    float* const anchors = sums + parts * D;           // [warps]
    if (lane == 0)
    {
        anchors[warp] = anchor;
    }
    float low = 0, high = 0;
#pragma unroll 8
    for (int row = part; row < ROWS; row += parts)
    {
        const u32 x = *(const u32*)((const char*)s.q + at<ROWS>(row, pair / 4) + (pair & 3) * 4);
        low += low_of(x), high += high_of(x);
    }
    sums[part * D + pair * 2] = low, sums[part * D + pair * 2 + 1] = high;
    __syncthreads();
    const float share = 1.0f / rows;
    if (threadIdx.x < D / 2)
    {
        low = high = 0;
#pragma unroll
        for (int i = 0; i < parts; i++)
        {
            low += sums[i * D + threadIdx.x * 2], high += sums[i * D + threadIdx.x * 2 + 1];
        }
        ((u32*)meanQueries)[block * (D / 2) + threadIdx.x] = pack(low * share, high * share);
    }
    if (threadIdx.x == 0)
    {
        anchor = 0;
#pragma unroll
        for (int i = 0; i < FORWARD_THREADS / 32; i++)
        {
            anchor += anchors[i];
        }
        thresholds[block] = threshold_of(anchor * share, p);
    }
}

// Grid: groups times their row tiles, heads. Blocks of 128 rows get their means here; others by block_means. The pool is empty afterwards.
extern "C" __global__ void __launch_bounds__(FORWARD_THREADS, FORWARD_BLOCKS)
anchor_forward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, float* __restrict__ states, float* __restrict__ maxima,
    float* __restrict__ sums, u16* __restrict__ meanQueries, float* __restrict__ thresholds, int* __restrict__ pool, const Group* __restrict__ groups, Shape p)
{
    extern __shared__ __align__(1024) uint4 memory[];
    ForwardShared& s = *(ForwardShared*)memory;
    if (blockIdx.x + blockIdx.y + threadIdx.x == 0)
    {
        *pool = 0;
    }
    const Group g = groups[blockIdx.x / tiles_of(p)];
    const Bounds b = bounds_of(g, p);
    const int firstRow = g.start + blockIdx.x % tiles_of(p) * ROWS, lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * 16 * MT;
    if (firstRow >= b.end)
    {
        return;
    }
    const long long offset = g.base + blockIdx.y * p.headStride;
    load_rows<ROWS, FORWARD_THREADS>(shared_address(s.q), q + offset, p.rowStride, firstRow, b.end);
    copy_commit();
    wait_for_queries();
    const Queries queries(shared_address(s.q));
    RowState state = {};
#pragma unroll
    for (int i = 0; i < 2 * MT; i++)
    {
        state.m[i >> 1][i & 1] = -INFINITE;
    }
    // Of the keys from a group's first row on, a causal tile needs those up to its own last row.
    const int last = CAUSAL ? min2(b.localEnd, firstRow + ROWS) : b.localEnd;
    attend<AnchorKeys, CAUSAL>(s, state, queries, k + offset, v + offset, p.rowStride, b.initEnd + last - b.localStart, AnchorKeys(b), firstRow);

    float4* out = state_of(states, p);
#pragma unroll
    for (int mt = 0; mt < MT; mt++)
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
    if (p.block == ROWS)
    {
        tile_means(s, state, min2(ROWS, b.end - firstRow), (long long)blockIdx.y * p.blocks + g.block0 + firstRow / ROWS, meanQueries, thresholds, p);
    }
}

// Goes on from anchor_forward's state over the stripes, and writes the output and the logarithm of the normaliser in place of the sums.
extern "C" __global__ void __launch_bounds__(FORWARD_THREADS, FORWARD_BLOCKS)
stripe_forward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, const float* __restrict__ states,
    const float* __restrict__ maxima, float* __restrict__ sums, const u32* __restrict__ masks, const int* __restrict__ pool, const Listed* __restrict__ lists,
    u16* __restrict__ output, const Group* __restrict__ groups, Shape p)
{
    extern __shared__ __align__(1024) uint4 memory[];
    ForwardShared& s = *(ForwardShared*)memory;
    const int group = blockIdx.x / tiles_of(p);
    const Group g = groups[group];
    const Bounds b = bounds_of(g, p);
    const int firstRow = g.start + blockIdx.x % tiles_of(p) * ROWS, lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * 16 * MT;
    if (firstRow >= b.end)
    {
        return;
    }
    const long long offset = g.base + blockIdx.y * p.headStride;
    load_rows<ROWS, FORWARD_THREADS>(shared_address(s.q), q + offset, p.rowStride, firstRow, b.end);
    copy_commit();
    RowState state = {};
    const float4* from = state_of((float*)states, p);
#pragma unroll
    for (int mt = 0; mt < MT; mt++)
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
    Stripes<FORWARD_THREADS> stripes(masks, pool, lists, group, g, blockIdx.y, p, s.list);
    int count = stripes.next(); // while the queries are on their way
    wait_for_queries();
    const Queries queries(shared_address(s.q));
    for (; count > 0; count = stripes.next())
    {
        const ListedKeys key = {s.list};
        attend<ListedKeys, false>(s, state, queries, k + offset, v + offset, p.rowStride, count, key, firstRow);
    }

#pragma unroll
    for (int mt = 0; mt < MT; mt++)
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
#endif
