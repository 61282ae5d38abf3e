// Gradients of the queries, row by row over the same keys as forward, from the logarithm of each row's normaliser; on compute capability 9.0 by query_wide.cu.
#define BACKWARD_SLOTS 64 // keys of a tile

// A thread's share of 16 rows of a warp: of two of them, 8 apart.
struct RowGradients
{
    float sum[CHUNKS][4]; // without the scale
    float logSum[2], delta[2];

    // What the gradients need of the rows, which the keys' need as well: the logarithm of the normaliser, to base 2, and the product of output and gradient. row: the first of both; `first` is there.
    __device__ __forceinline__ void read_rows(const u16* output, const u16* grad, const float* logSums, float2* rowSums, int row, int first, int end, long long stride)
    {
        const int column = threadIdx.x & 3;
#pragma unroll
        for (int h = 0; h < 2; h++, row += 8)
        {
            const bool valid = row < end;
            const long long from = (valid ? row : first) * stride + column * 8;
            float product = 0;
#pragma unroll
            for (int c = 0; c < CHUNKS / 4; c++)
            {
                const uint4 x = *(const uint4*)(output + from + c * 32), y = *(const uint4*)(grad + from + c * 32);
                product += low_of(x.x) * low_of(y.x) + high_of(x.x) * high_of(y.x) + low_of(x.y) * low_of(y.y) + high_of(x.y) * high_of(y.y)
                    + low_of(x.z) * low_of(y.z) + high_of(x.z) * high_of(y.z) + low_of(x.w) * low_of(y.w) + high_of(x.w) * high_of(y.w);
            }
            delta[h] = quad_sum(product);
            logSum[h] = valid ? logSums[row] * LOG2E : INFINITE; // no probability
            if (valid && column == 0)
            {
                float2 sums;
                sums.x = logSum[h], sums.y = delta[h];
                rowSums[row] = sums;
            }
        }
    }

    __device__ __forceinline__ void write(u16* gradQ, int row, int end, long long stride) const
    {
#pragma unroll
        for (int h = 0; h < 2; h++, row += 8)
        {
            if (row < end)
            {
                u32* to = (u32*)(gradQ + row * stride) + (threadIdx.x & 3);
#pragma unroll
                for (int dt = 0; dt < CHUNKS; dt++)
                {
                    to[dt * 4] = pack(sum[dt][h * 2] * SCALE, sum[dt][h * 2 + 1] * SCALE);
                }
            }
        }
    }
};

#if !HOPPER
#define QUERY_THREADS 256 // 8 warps, each of 16 rows
#define QUERY_STAGES 2

struct QueryShared
{
    uint4 q[ROWS * CHUNKS];
    uint4 grad[ROWS * CHUNKS];
    uint4 k[QUERY_STAGES][BACKWARD_SLOTS * CHUNKS];
    uint4 v[QUERY_STAGES][BACKWARD_SLOTS * CHUNKS];
    int list[WINDOW];
};

#if D == 64
#define QUERY_FRAGMENTS 1 // queries and the output's gradients stay in registers
#else
#define QUERY_FRAGMENTS 0
#endif

struct QueryRows : RowGradients
{
#if QUERY_FRAGMENTS
    u32 q[KSTEPS][4], grad[KSTEPS][4];
#endif
};

template <class Keys, bool Causal>
__device__ __forceinline__ void query_gradients(QueryShared& s, QueryRows& rows, const u16* k, const u16* v, long long stride, int count, Keys key, int firstRow)
{
    const int lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * 16;
    const int tiles = (count + BACKWARD_SLOTS - 1) / BACKWARD_SLOTS;
    load_keys<BACKWARD_SLOTS, QUERY_THREADS>(shared_address(s.k[0]), shared_address(s.v[0]), k, v, stride, 0, count, key);
    copy_commit();
    for (int t = 0; t < tiles; t++)
    {
        copy_wait<0>();
        __syncthreads();
        if (t + 1 < tiles)
        {
            const int slot = (t + 1) % QUERY_STAGES;
            load_keys<BACKWARD_SLOTS, QUERY_THREADS>(shared_address(s.k[slot]), shared_address(s.v[slot]), k, v, stride, (t + 1) * BACKWARD_SLOTS, count, key);
        }
        copy_commit();
        const u32 kt = shared_address(s.k[t % QUERY_STAGES]), vt = shared_address(s.v[t % QUERY_STAGES]);
        float logits[BACKWARD_SLOTS / 8][4] = {}, products[BACKWARD_SLOTS / 8][4] = {}; // q kT and grad vT
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
        {
            u32 a[4], d[4];
#if QUERY_FRAGMENTS
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                a[i] = rows.q[ks][i], d[i] = rows.grad[ks][i];
            }
#else
            fragment_a<ROWS>(a, shared_address(s.q), warpRow, ks);
            fragment_a<ROWS>(d, shared_address(s.grad), warpRow, ks);
#endif
#pragma unroll
            for (int nt = 0; nt < BACKWARD_SLOTS / 16; nt++)
            {
                u32 b[4];
                fragment_b<BACKWARD_SLOTS>(b, kt, nt * 16, ks);
                multiply(logits[nt * 2], a, b[0], b[1]);
                multiply(logits[nt * 2 + 1], a, b[2], b[3]);
                fragment_b<BACKWARD_SLOTS>(b, vt, nt * 16, ks);
                multiply(products[nt * 2], d, b[0], b[1]);
                multiply(products[nt * 2 + 1], d, b[2], b[3]);
            }
        }
        const int first = t * BACKWARD_SLOTS;
        const bool causalTile = Causal && key(min2(first + BACKWARD_SLOTS, count) - 1) > firstRow + warpRow;
        // Slots past the end hold zeros: whatever their probability, they add nothing.
#pragma unroll
        for (int nt = 0; nt < BACKWARD_SLOTS / 8; nt++)
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                const int h = i >> 1;
                float p = exp2_of(fmaf(logits[nt][i], SCALE2, -rows.logSum[h]));
                if (causalTile)
                {
                    const int slot = first + nt * 8 + (lane & 3) * 2 + (i & 1);
                    p = slot < count && key(slot) > firstRow + warpRow + h * 8 + (lane >> 2) ? 0 : p;
                }
                logits[nt][i] = p * (products[nt][i] - rows.delta[h]);
            }
#pragma unroll
        for (int js = 0; js < BACKWARD_SLOTS / 16; js++)
        {
            u32 a[4] = {pack(logits[js * 2][0], logits[js * 2][1]), pack(logits[js * 2][2], logits[js * 2][3]),
                pack(logits[js * 2 + 1][0], logits[js * 2 + 1][1]), pack(logits[js * 2 + 1][2], logits[js * 2 + 1][3])};
#pragma unroll
            for (int dt = 0; dt < CHUNKS / 2; dt++)
            {
                u32 b[4];
                fragment_t<BACKWARD_SLOTS>(b, kt, js * 16, dt * 2);
                multiply(rows.sum[dt * 2], a, b[0], b[1]);
                multiply(rows.sum[dt * 2 + 1], a, b[2], b[3]);
            }
        }
    }
    copy_wait<0>();
    __syncthreads();
}

// Gradients of the queries; and for each row what the keys' gradients need: the logarithm of its normaliser, to base 2, and the product of output and gradient. Grid: groups times their row tiles, heads.
extern "C" __global__ void __launch_bounds__(QUERY_THREADS, 1)
query_backward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, const u16* __restrict__ output, const u16* __restrict__ grad,
    const float* __restrict__ logSums, const u32* __restrict__ masks, const int* __restrict__ pool, const Listed* __restrict__ lists, float2* __restrict__ rowSums, u16* __restrict__ gradQ,
    const Group* __restrict__ groups, Shape p)
{
    extern __shared__ __align__(1024) uint4 memory[];
    QueryShared& s = *(QueryShared*)memory;
    const int group = blockIdx.x / tiles_of(p);
    const Group g = groups[group];
    const Bounds b = bounds_of(g, p);
    const int firstRow = g.start + blockIdx.x % tiles_of(p) * ROWS, lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * 16;
    if (firstRow >= b.end)
    {
        return;
    }
    const long long offset = g.base + blockIdx.y * p.headStride, row0 = (long long)blockIdx.y * p.rows + g.row0;
    load_rows<ROWS, QUERY_THREADS>(shared_address(s.q), q + offset, p.rowStride, firstRow, b.end);
    load_rows<ROWS, QUERY_THREADS>(shared_address(s.grad), grad + offset, p.rowStride, firstRow, b.end);
    copy_commit();
    QueryRows rows = {};
    const int ownRow = firstRow + warpRow + (lane >> 2);
    rows.read_rows(output + offset, grad + offset, logSums + row0, rowSums + row0, ownRow, firstRow, b.end, p.rowStride);
    copy_wait<0>();
    __syncthreads();
#if QUERY_FRAGMENTS
#pragma unroll
    for (int ks = 0; ks < KSTEPS; ks++)
    {
        fragment_a<ROWS>(rows.q[ks], shared_address(s.q), warpRow, ks);
        fragment_a<ROWS>(rows.grad[ks], shared_address(s.grad), warpRow, ks);
    }
#endif
    const int last = CAUSAL ? min2(b.localEnd, firstRow + ROWS) : b.localEnd;
    query_gradients<AnchorKeys, CAUSAL>(s, rows, k + offset, v + offset, p.rowStride, b.initEnd + last - b.localStart, AnchorKeys(b), firstRow);
    Stripes<QUERY_THREADS> stripes(masks, pool, lists, group, g, blockIdx.y, p, s.list);
    ListedKeys key = {s.list};
    for (int count = stripes.next(); count > 0; count = stripes.next())
    {
        query_gradients<ListedKeys, false>(s, rows, k + offset, v + offset, p.rowStride, count, key, firstRow);
    }
    rows.write(gradQ + offset, ownRow, b.end, p.rowStride);
}
#endif
