// Gradients of keys and values, key by key: a block takes 64 of the keys that a group attends to, goes over the group's rows, and adds to the keys' sums; by wgmma on compute capability 9.0.
#define KEY_THREADS 128 // 4 warps, each of 16 keys
#define KEY_ROWS (HOPPER || D == 64 ? 64 : 32)
#define KEY_FRAGMENTS (!HOPPER && D == 64) // keys and values stay in registers
#define KEY_BLOCKS ((D == 64 ? 2 : 1) + HOPPER) // at one time on a multiprocessor
#define KEY_AHEAD (HOPPER && D == 128) // each kind of product runs beside what is made of the one before; three blocks of d = 64 have no registers for that

struct KeyShared
{
    uint4 k[BACKWARD_SLOTS * CHUNKS];
    uint4 v[BACKWARD_SLOTS * CHUNKS];
    uint4 q[2][KEY_ROWS * CHUNKS];
    uint4 grad[2][KEY_ROWS * CHUNKS];
    float2 sums[2][KEY_ROWS]; // as query_backward leaves them
    int list[WINDOW];
};

__device__ __forceinline__ void add2(float* to, float x, float y)
{
#if __CUDA_ARCH__ >= 900 && __CUDACC_VER_MAJOR__ >= 12
    asm volatile("red.global.add.v2.f32 [%0], {%1, %2};" ::"l"(to), "f"(x), "f"(y) : "memory");
#else
    atomicAdd(to, x);
    atomicAdd(to + 1, y);
#endif
}

// What a block of threads needs to know of its rows.
struct KeyRows
{
    const u16 *q, *grad;
    const float2* sums;
    int start, end;
};

// Rows [first, first + KEY_ROWS); zeros, which add nothing, from the end on.
__device__ __forceinline__ void load_key_rows(KeyShared& s, const KeyRows& r, u32 bytes, int buffer, int first)
{
    const int piece = threadIdx.x % CHUNKS, step = KEY_THREADS / CHUNKS;
    const u32 place = buffer * (KEY_ROWS * CHUNKS * 16) + at<KEY_ROWS>(threadIdx.x / CHUNKS, piece);
#pragma unroll
    for (int i = 0; i < KEY_ROWS / step; i++)
    {
        const int row = first + threadIdx.x / CHUNKS + i * step;
        const u32 from = min2(row, r.end - 1) * bytes + piece * 16; // sequences are shorter than 4 GiB
        copy16(shared_address(s.q) + place + i * step * 128, (const char*)r.q + from, row < r.end);
        copy16(shared_address(s.grad) + place + i * step * 128, (const char*)r.grad + from, row < r.end);
    }
    if (threadIdx.x < KEY_ROWS)
    {
        const int row = first + threadIdx.x;
        copy8(shared_address(&s.sums[buffer][threadIdx.x]), r.sums + min2(row, r.end - 1), row < r.end);
    }
}

// Adds what the rows give to the keys of slots [first, first + 64) of `count`. The turn lets groups add in order, if there is one.
template <class Keys, bool Causal>
__device__ __forceinline__ void key_gradients(KeyShared& s, const KeyRows& r, const u16* k, const u16* v, float* gradK, float* gradV, long long stride,
    int first, int count, Keys key, volatile int* turn, int ownTurn)
{
    const int lane = threadIdx.x & 31, warpSlot = (threadIdx.x >> 5) * 16;
    load_keys<BACKWARD_SLOTS, KEY_THREADS>(shared_address(s.k), shared_address(s.v), k, v, stride, first, count, key);
    int row = r.start;
    if (Causal && key(first) > row)
    {
        row += (key(first) - row) / KEY_ROWS * KEY_ROWS; // earlier rows see none of these keys
    }
    load_key_rows(s, r, (u32)stride * 2, 0, row);
    copy_commit();
    float sumK[CHUNKS][4] = {}, sumV[CHUNKS][4] = {};
#if KEY_FRAGMENTS
    u32 kf[KSTEPS][4], vf[KSTEPS][4];
    copy_wait<0>();
    __syncthreads();
#pragma unroll
    for (int ks = 0; ks < KSTEPS; ks++)
    {
        fragment_a<BACKWARD_SLOTS>(kf[ks], shared_address(s.k), warpSlot, ks);
        fragment_a<BACKWARD_SLOTS>(vf[ks], shared_address(s.v), warpSlot, ks);
    }
#endif
    int ownKey[2] = {0, 0};
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        const int slot = first + warpSlot + h * 8 + (lane >> 2);
        ownKey[h] = slot < count ? key(slot) : -1;
    }
    for (int buffer = 0; row < r.end; row += KEY_ROWS, buffer ^= 1)
    {
        copy_wait<0>();
#if HOPPER
        show_to_products();
#endif
        __syncthreads();
        auto load = [&] {
            if (row + KEY_ROWS < r.end)
            {
                load_key_rows(s, r, (u32)stride * 2, buffer ^ 1, row + KEY_ROWS);
            }
            copy_commit();
        };
        const u32 qt = shared_address(s.q[buffer]), gt = shared_address(s.grad[buffer]);
        // k qT and v gradT: a warp's 16 keys x KEY_ROWS
#if HOPPER
        const u32 across = D == 64 ? 0 : (u32)(KEY_ROWS * 128 / 16 - 64) << 16; // how far the second 64 columns are
        float logits[KEY_ROWS / 8][4], products[KEY_ROWS / 8][4];
        hold(logits);
        hold(products);
        products_begin();
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
        {
            const u32 step = ((ks >> 2) * 64 * 128 + (ks & 3) * 32) / 16; // all tiles have 64 rows
            multiply_tiles(logits, descriptor(shared_address(s.k)) + step, descriptor(qt) + step, ks > 0);
        }
        if (KEY_AHEAD)
        {
            products_commit();
        }
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
        {
            const u32 step = ((ks >> 2) * 64 * 128 + (ks & 3) * 32) / 16;
            multiply_tiles(products, descriptor(shared_address(s.v)) + step, descriptor(gt) + step, ks > 0);
        }
        products_commit();
        load();
        products_wait<KEY_AHEAD>();
        hold(logits);
        if (!KEY_AHEAD)
        {
            hold(products);
        }
#else
        load();
        float logits[KEY_ROWS / 8][4] = {}, products[KEY_ROWS / 8][4] = {};
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
        {
            u32 a[4], d[4];
#if KEY_FRAGMENTS
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                a[i] = kf[ks][i], d[i] = vf[ks][i];
            }
#else
            fragment_a<BACKWARD_SLOTS>(a, shared_address(s.k), warpSlot, ks);
            fragment_a<BACKWARD_SLOTS>(d, shared_address(s.v), warpSlot, ks);
#endif
#pragma unroll
            for (int nt = 0; nt < KEY_ROWS / 16; nt++)
            {
                u32 b[4];
                fragment_b<KEY_ROWS>(b, qt, nt * 16, ks);
                multiply(logits[nt * 2], a, b[0], b[1]);
                multiply(logits[nt * 2 + 1], a, b[2], b[3]);
                fragment_b<KEY_ROWS>(b, gt, nt * 16, ks);
                multiply(products[nt * 2], d, b[0], b[1]);
                multiply(products[nt * 2 + 1], d, b[2], b[3]);
            }
        }
#endif
        const bool causalTile = Causal && key(min2(first + BACKWARD_SLOTS, count) - 1) > row;
        u32 p[KEY_ROWS / 16][4], slopes[KEY_ROWS / 16][4];
        auto make_shares = [&](int nt) { // of logits
            const int column = nt * 8 + (lane & 3) * 2;
            const float4 sums = *(const float4*)&s.sums[buffer][column];
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                logits[nt][i] = exp2_of(fmaf(logits[nt][i], SCALE2, -((i & 1) ? sums.z : sums.x)));
                if (causalTile)
                {
                    logits[nt][i] = ownKey[i >> 1] > row + column + (i & 1) ? 0 : logits[nt][i];
                }
            }
            p[nt / 2][nt % 2 * 2] = pack(logits[nt][0], logits[nt][1]);
            p[nt / 2][nt % 2 * 2 + 1] = pack(logits[nt][2], logits[nt][3]);
        };
        auto make_slopes = [&](int nt) { // of products
            const float4 sums = *(const float4*)&s.sums[buffer][nt * 8 + (lane & 3) * 2];
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                products[nt][i] = logits[nt][i] * (products[nt][i] - ((i & 1) ? sums.w : sums.y));
            }
            slopes[nt / 2][nt % 2 * 2] = pack(products[nt][0], products[nt][1]);
            slopes[nt / 2][nt % 2 * 2 + 1] = pack(products[nt][2], products[nt][3]);
        };
#if KEY_AHEAD
#pragma unroll
        for (int nt = 0; nt < KEY_ROWS / 8; nt++)
        {
            make_shares(nt);
        }
        hold(sumV);
        products_begin();
#pragma unroll
        for (int js = 0; js < KEY_ROWS / 16; js++)
        {
            multiply_values(sumV, p[js], descriptor(gt) + across + js * 16 * 128 / 16);
        }
        products_commit();
        products_wait<1>();
        hold(products);
#pragma unroll
        for (int nt = 0; nt < KEY_ROWS / 8; nt++)
        {
            make_slopes(nt);
        }
#else
#pragma unroll
        for (int nt = 0; nt < KEY_ROWS / 8; nt++)
        {
            make_shares(nt);
            make_slopes(nt);
        }
#endif
#if HOPPER
#if !KEY_AHEAD
        hold(sumV);
#endif
        hold(sumK);
        products_begin();
#pragma unroll
        for (int js = 0; js < KEY_ROWS / 16; js++)
        {
#if !KEY_AHEAD
            multiply_values(sumV, p[js], descriptor(gt) + across + js * 16 * 128 / 16);
#endif
            multiply_values(sumK, slopes[js], descriptor(qt) + across + js * 16 * 128 / 16);
        }
        products_commit();
        products_wait<0>();
        hold(sumV);
        hold(sumK);
#pragma unroll
        for (int js = 0; js < KEY_ROWS / 16; js++)
        {
            hold(p[js]);
            hold(slopes[js]);
        }
#else
#pragma unroll
        for (int js = 0; js < KEY_ROWS / 16; js++)
#pragma unroll
            for (int dt = 0; dt < CHUNKS / 2; dt++)
            {
                u32 b[4];
                fragment_t<KEY_ROWS>(b, gt, js * 16, dt * 2);
                multiply(sumV[dt * 2], p[js], b[0], b[1]);
                multiply(sumV[dt * 2 + 1], p[js], b[2], b[3]);
                fragment_t<KEY_ROWS>(b, qt, js * 16, dt * 2);
                multiply(sumK[dt * 2], slopes[js], b[0], b[1]);
                multiply(sumK[dt * 2 + 1], slopes[js], b[2], b[3]);
            }
#endif
    }
    if (turn)
    {
        if (threadIdx.x == 0)
        {
            while (*turn < ownTurn)
            {
                __nanosleep(64);
            }
            __threadfence();
        }
        __syncthreads();
    }
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        if (ownKey[h] >= 0)
        {
            const long long to = ownKey[h] * stride + (lane & 3) * 2;
#pragma unroll
            for (int dt = 0; dt < CHUNKS; dt++)
            {
                add2(gradK + to + dt * 8, sumK[dt][h * 2] * SCALE, sumK[dt][h * 2 + 1] * SCALE);
                add2(gradV + to + dt * 8, sumV[dt][h * 2], sumV[dt][h * 2 + 1]);
            }
        }
    }
    copy_wait<0>();
    __syncthreads();
}

// Adds to the gradients of keys and values, of float32. Grid: group by group and head by head, the tiles of the group's anchor region, then `workers`
// blocks that share its stripes. Where turns are given (a zero for each head), a head's sums are added to in the order of its groups, so that they
// always come out the same: blocks start in the order of their numbers, so that none waits for one which cannot start.
extern "C" __global__ void __launch_bounds__(KEY_THREADS, KEY_BLOCKS)
key_backward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, const u16* __restrict__ grad, const float2* __restrict__ rowSums, const u32* __restrict__ masks, const int* __restrict__ pool, const Listed* __restrict__ lists, float* __restrict__ gradK, float* __restrict__ gradV, int* turns, int anchorTiles,
    int workers, const Group* __restrict__ groups, Shape p)
{
    extern __shared__ __align__(1024) uint4 memory[];
    KeyShared& s = *(KeyShared*)memory;
    const int ofGroup = anchorTiles + workers, part = blockIdx.x % ofGroup, head = blockIdx.x / ofGroup % p.heads, group = blockIdx.x / (ofGroup * p.heads);
    const Group g = groups[group];
    const Bounds b = bounds_of(g, p);
    const int anchors = b.initEnd + b.localEnd - b.localStart;
    const long long offset = g.base + head * p.headStride, row0 = (long long)head * p.rows + g.row0;
    const KeyRows rows = {q + offset, grad + offset, rowSums + row0, g.start, b.end};
    int* const turn = turns ? turns + head : 0;
    const int ownTurn = group * ofGroup;
    if (part < anchorTiles)
    {
        const int first = part * BACKWARD_SLOTS;
        if (first < anchors)
        {
            key_gradients<AnchorKeys, CAUSAL>(s, rows, k + offset, v + offset, gradK + offset, gradV + offset, p.rowStride, first, anchors, AnchorKeys(b), turn, ownTurn);
        }
    }
    else
    {
        Stripes<KEY_THREADS> stripes(masks, pool, lists, group, g, head, p, s.list);
        ListedKeys key = {s.list};
        int tile = 0; // of all the group's stripes
        for (int count = stripes.next(); count > 0; count = stripes.next())
        {
            for (int first = 0; first < count; first += BACKWARD_SLOTS, tile++)
            {
                if (tile % workers == part - anchorTiles)
                {
                    key_gradients<ListedKeys, false>(s, rows, k + offset, v + offset, gradK + offset, gradV + offset, p.rowStride, first, count, key, turn, ownTurn);
                }
            }
        }
    }
    if (turn)
    {
        __threadfence();
        __syncthreads();
        if (threadIdx.x == 0)
        {
            while (*(volatile int*)turn < ownTurn) // a block that had nothing to add waits, too: the count tells how many are through
            {
                __nanosleep(64);
            }
            atomicAdd(turn, 1);
        }
    }
}
