// Forward for rows of 128 numbers on compute capability 9.0. The state of such rows leaves two blocks of a multiprocessor no registers to address keys and values with, so here one
// block has a multiprocessor to itself. (Rows of 64 numbers were slower so, but for lists of thousands of keys.)
#if HOPPER && D == 128
#define UNITS 3
#define WIDE_STAGES 5
#define WIDE_THREADS (128 * (1 + UNITS))
#define COPIER_REGISTERS 72
#define UNIT_REGISTERS 144 // of 65,536, what copiers leave

struct WideTile
{
    uint4 k[SLOTS * CHUNKS], v[SLOTS * CHUNKS];
};

struct WideShared
{
    uint4 q[UNITS][UNIT * CHUNKS];
    WideTile tiles[WIDE_STAGES];
    int list[WINDOW];
    u64 full[WIDE_STAGES], empty[WIDE_STAGES];
};

// Descriptors of the first stage's keys and values; further stages and rows are multiples of 16 bytes away.
__device__ __forceinline__ u32 key_tiles(WideShared& s) { return descriptor(shared_address(s.tiles[0].k)); }
__device__ __forceinline__ u32 value_tiles(WideShared& s) { return shared_address(s.tiles[0].v) >> 4 | (u32)(SLOTS * 128 / 16) << 16; }
#define STAGE_STEP (u32)(sizeof(WideTile) / 16)

// A warp group's rows on their way through the softmax, as RowState has them; but probabilities are relative to m, which may be less than the largest logit by SLACK.
struct UnitState
{
    float o[CHUNKS][4];
    float m[2], l[2];
    float top[2]; // the largest logit that this thread has met, where the mask asks for it
};
#define SLACK 8.0f // 2^8 is a number of half precision too

__device__ __forceinline__ void unit_score(float (&logits)[SLOTS / 8][4], u32 queries, u32 keys)
{
    hold(logits);
    products_begin();
#pragma unroll
    for (int ks = 0; ks < KSTEPS; ks++)
    {
        multiply_tiles(logits, queries + ((ks >> 2) * UNIT * 128 + (ks & 3) * 32) / 16, keys + ((ks >> 2) * SLOTS * 128 + (ks & 3) * 32) / 16, ks > 0);
    }
    products_commit();
}

// Makes what there is of a row relative to another logit.
__device__ __forceinline__ void unit_rebase(UnitState& state, int h, float m)
{
    const float share = exp2_of(state.m[h] - m);
    state.m[h] = m;
    state.l[h] *= share;
#pragma unroll
    for (int dt = 0; dt < CHUNKS; dt++)
    {
        state.o[dt][h * 2] *= share, state.o[dt][h * 2 + 1] *= share;
    }
}

// Probabilities of slots [first, first + SLOTS), of which those before `count` are there. row: the thread's first one; the other is 8 further.
template <class Sees>
__device__ __forceinline__ void unit_soften(float (&logits)[SLOTS / 8][4], u32 (&p)[SLOTS / 16][4], UnitState& state, int first, int count, const Sees& sees, int row)
{
    hide<SLOTS>(logits, -INFINITE, first, count, sees, row);
    float top[2];
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        float even = fmaxf(logits[0][h * 2], logits[0][h * 2 + 1]), odd = fmaxf(logits[1][h * 2], logits[1][h * 2 + 1]); // two chains
#pragma unroll
        for (int nt = 2; nt < SLOTS / 8; nt += 2)
        {
            even = fmaxf(even, fmaxf(logits[nt][h * 2], logits[nt][h * 2 + 1])), odd = fmaxf(odd, fmaxf(logits[nt + 1][h * 2], logits[nt + 1][h * 2 + 1]));
        }
        top[h] = fmaxf(even, odd) * SCALE2;
        if (Sees::Tops)
        {
            state.top[h] = fmaxf(state.top[h], top[h]);
        }
    }
    if (__any_sync(ALL, top[0] > state.m[0] + SLACK || top[1] > state.m[1] + SLACK)) // what is there shrinks
    {
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            unit_rebase(state, h, fmaxf(state.m[h], quad_max(top[h])));
        }
    }
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        float even = 0, odd = 0;
#pragma unroll
        for (int nt = 0; nt < SLOTS / 8; nt++)
        {
            logits[nt][h * 2] = exp2_of(fmaf(logits[nt][h * 2], SCALE2, -state.m[h]));
            logits[nt][h * 2 + 1] = exp2_of(fmaf(logits[nt][h * 2 + 1], SCALE2, -state.m[h]));
            even += logits[nt][h * 2], odd += logits[nt][h * 2 + 1];
        }
        state.l[h] += even + odd;
    }
#pragma unroll
    for (int js = 0; js < SLOTS / 16; js++)
    {
        p[js][0] = pack(logits[js * 2][0], logits[js * 2][1]);
        p[js][1] = pack(logits[js * 2][2], logits[js * 2][3]);
        p[js][2] = pack(logits[js * 2 + 1][0], logits[js * 2 + 1][1]);
        p[js][3] = pack(logits[js * 2 + 1][2], logits[js * 2 + 1][3]);
    }
}

__device__ __forceinline__ void unit_blend(UnitState& state, const u32 (&p)[SLOTS / 16][4], u32 values)
{
    hold(state.o);
    products_begin();
#pragma unroll
    for (int js = 0; js < SLOTS / 16; js++)
    {
        multiply_values(state.o, p[js], values + js * 16 * 128 / 16);
    }
    products_commit();
}

// A warp group goes on with the softmax over the first `count` of `copied` keys. The logits of the next tile are begun behind the products with this one's values.
template <class Sees>
__device__ __forceinline__ void unit_attend(WideShared& s, UnitState& state, u32 queries, int count, int copied, const Sees& sees, int row)
{
    if (count <= 0)
    {
        return;
    }
    const u32 full = shared_address(s.full), empty = shared_address(s.empty), keys = key_tiles(s), values = value_tiles(s);
    Stage<WIDE_STAGES> stage = {};
    float logits[SLOTS / 8][4];
    u32 p[SLOTS / 16][4];
    take_tile(full, stage.index, stage.parity);
    unit_score(logits, queries, keys);
    products_wait<0>();
    hold(logits);
    int first = 0;
    for (; first + SLOTS < count; first += SLOTS)
    {
        unit_soften(logits, p, state, first, count, sees, row);
        unit_blend(state, p, values + stage.index * STAGE_STEP);
        const u32 before = stage.index;
        stage.advance();
        take_tile(full, stage.index, stage.parity);
        unit_score(logits, queries, keys + stage.index * STAGE_STEP);
        products_wait<1>();
        hold(state.o);
#pragma unroll
        for (int js = 0; js < SLOTS / 16; js++)
        {
            hold(p[js]);
        }
        give_back(empty, before);
        products_wait<0>();
        hold(logits);
    }
    unit_soften(logits, p, state, first, count, sees, row);
    unit_blend(state, p, values + stage.index * STAGE_STEP);
    products_wait<0>();
    hold(state.o);
    for (; first + SLOTS < copied; first += SLOTS) // what others read
    {
        give_back(empty, stage.index);
        stage.advance();
        barrier_wait(full + stage.index * 8, stage.parity);
    }
}

// The sums of a unit's queries and of their anchors, for unit_means. sums: [D + 1].
__device__ __forceinline__ void sum_unit(WideShared& s, int unit, const UnitState& state, int rows, float* sums)
{
    const int lane = threadIdx.x & 31, thread = threadIdx.x & 127, pair = thread % (D / 2), part = thread / (D / 2);
    const char* tile = (const char*)s.q[unit];
    float* const own = (float*)s.list + unit * (D + 4); // no list is in use
    float low = 0, high = 0, anchor = 0;
#pragma unroll 8
    for (int row = part; row < UNIT; row += 2)
    {
        const u32 x = *(const u32*)(tile + at<UNIT>(row, pair / 4) + (pair & 3) * 4);
        low += row < rows ? low_of(x) : 0, high += row < rows ? high_of(x) : 0;
    }
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        anchor += thread / 32 * 16 + (lane >> 2) + h * 8 < rows ? state.m[h] : 0;
    }
#pragma unroll
    for (int step = 4; step < 32; step *= 2)
    {
        anchor += __shfl_xor_sync(ALL, anchor, step);
    }
    if (lane == 0)
    {
        own[D + thread / 32] = anchor;
    }
    if (part == 1)
    {
        own[pair * 2] = low, own[pair * 2 + 1] = high;
    }
    wait_for_group<128>(2 + unit);
    if (part == 0)
    {
        sums[pair * 2] = low + own[pair * 2], sums[pair * 2 + 1] = high + own[pair * 2 + 1];
    }
    if (thread == 0)
    {
        sums[D] = own[D] + own[D + 1] + own[D + 2] + own[D + 3];
    }
}

// As the kernel of this name in forward.cu. Where a block has 128 rows, unit_means makes their means of the sums of units that are left here.
extern "C" __global__ void __launch_bounds__(WIDE_THREADS, 1)
anchor_forward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, float* __restrict__ states, float* __restrict__ maxima,
    float* __restrict__ sums, float* __restrict__ unitSums, int* __restrict__ pool, const Group* __restrict__ groups, Shape p)
{
    extern __shared__ __align__(1024) uint4 memory[];
    WideShared& s = *(WideShared*)memory;
    if (blockIdx.x + blockIdx.y + threadIdx.x == 0)
    {
        *pool = 0;
    }
    const WideRows<UNITS> rows(groups, p);
    if (rows.units <= 0)
    {
        return;
    }
    make_barriers(s.full, s.empty, rows.units * 4);
    const int unit = unit_of_thread();
    const Group& g = rows.g;
    const Bounds b = bounds_of(g, p);
    const long long offset = g.base + blockIdx.y * p.headStride;
    const AnchorKeys key(b);
    const int copied = rows.anchor_keys(rows.units - 1, b);
    if (unit < 0)
    {
        become_copier<COPIER_REGISTERS>();
        Copier<SLOTS, WIDE_STAGES> copier(s.tiles, s.full, s.empty, k + offset, v + offset, p);
        for (int first = 0; first < copied; first += SLOTS)
        {
            copier.copy(first, [&](int slot) { return key(min2(slot, copied - 1)); });
        }
        return;
    }

    become_unit<UNIT_REGISTERS>();
    if (unit >= rows.units)
    {
        return;
    }
    const int lane = threadIdx.x & 31, firstRow = rows.first_row(unit), warpRow = firstRow + (threadIdx.x >> 5 & 3) * 16, ownRow = warpRow + (lane >> 2);
    const u32 queries = load_unit(s.q, unit, q + offset, p.rowStride, firstRow, rows.end);
    UnitState state = {};
    state.m[0] = state.m[1] = state.top[0] = state.top[1] = -INFINITE;
    unit_wait(unit);
    unit_attend(s, state, queries, rows.anchor_keys(unit, b), copied, SeesAnchors{key, warpRow}, ownRow);
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        unit_rebase(state, h, quad_max(state.top[h])); // the anchor
    }
    float4* const to = rows.state_of(states, unit, p);
#pragma unroll
    for (int dt = 0; dt < CHUNKS; dt++)
    {
        float4 x;
        x.x = state.o[dt][0], x.y = state.o[dt][1], x.z = state.o[dt][2], x.w = state.o[dt][3];
        to[dt * 128] = x;
    }
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        const float l = quad_sum(state.l[h]);
        if ((lane & 3) == 0 && ownRow + h * 8 < rows.end)
        {
            const long long at = (long long)blockIdx.y * p.rows + g.row0 + ownRow + h * 8;
            maxima[at] = state.m[h];
            sums[at] = l;
        }
    }
    if (p.block == ROWS)
    {
        const long long own = ((long long)blockIdx.y * p.blocks + g.block0) * (ROWS / UNIT) + firstRow / UNIT;
        sum_unit(s, unit, state, min2(UNIT, rows.end - firstRow), unitSums + own * (D + 1));
    }
}

// Mean queries and thresholds of blocks of 128 rows, as block_means makes those of others. Grid: blocks of all sequences (one group's after another's), heads.
extern "C" __global__ void __launch_bounds__(D / 2)
unit_means(const float* __restrict__ unitSums, u16* __restrict__ meanQueries, float* __restrict__ thresholds, const Group* __restrict__ groups, Shape p)
{
    const Group g = groups[blockIdx.x / p.step];
    const int first = g.start + blockIdx.x % p.step * ROWS, rows = min2(min2(g.length, g.start + p.groupRows) - first, ROWS);
    if (rows <= 0)
    {
        return;
    }
    const long long block = (long long)blockIdx.y * p.blocks + g.block0 + first / ROWS;
    const float* const one = unitSums + block * (ROWS / UNIT) * (D + 1);
    const float* const other = one + (D + 1);
    const float share = 1.0f / rows;
    const bool both = rows > UNIT;
    const int pair = threadIdx.x * 2;
    ((u32*)meanQueries)[block * (D / 2) + threadIdx.x] = pack((one[pair] + (both ? other[pair] : 0)) * share, (one[pair + 1] + (both ? other[pair + 1] : 0)) * share);
    if (threadIdx.x == 0)
    {
        thresholds[block] = threshold_of((one[D] + (both ? other[D] : 0)) * share, p);
    }
}

// Goes on from anchor_forward's state over the stripes, as the kernel of this name in forward.cu. Grid of both: groups times their blocks of UNITS * UNIT rows, heads.
extern "C" __global__ void __launch_bounds__(WIDE_THREADS, 1)
stripe_forward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, const float* __restrict__ states,
    const float* __restrict__ maxima, float* __restrict__ sums, const u32* __restrict__ masks, const int* __restrict__ pool, const Listed* __restrict__ lists,
    u16* __restrict__ output, const Group* __restrict__ groups, Shape p)
{
    extern __shared__ __align__(1024) uint4 memory[];
    WideShared& s = *(WideShared*)memory;
    const WideRows<UNITS> rows(groups, p);
    if (rows.units <= 0)
    {
        return;
    }
    make_barriers(s.full, s.empty, rows.units * 4);
    const int unit = unit_of_thread();
    const Group& g = rows.g;
    const long long offset = g.base + blockIdx.y * p.headStride;
    if (unit < 0)
    {
        become_copier<COPIER_REGISTERS>();
        Copier<SLOTS, WIDE_STAGES> copier(s.tiles, s.full, s.empty, k + offset, v + offset, p);
        Stripes<128, 1> stripes(masks, pool, lists, rows.group, g, blockIdx.y, p, s.list);
        copier.copy_stripes(stripes, s.list);
        return;
    }

    become_unit<UNIT_REGISTERS>();
    if (unit >= rows.units)
    {
        return;
    }
    const int lane = threadIdx.x & 31, firstRow = rows.first_row(unit), ownRow = firstRow + (threadIdx.x >> 5 & 3) * 16 + (lane >> 2);
    const u32 queries = load_unit(s.q, unit, q + offset, p.rowStride, firstRow, rows.end);
    UnitState state;
    const float4* const from = rows.state_of((float*)states, unit, p);
#pragma unroll
    for (int dt = 0; dt < CHUNKS; dt++)
    {
        const float4 x = from[dt * 128];
        state.o[dt][0] = x.x, state.o[dt][1] = x.y, state.o[dt][2] = x.z, state.o[dt][3] = x.w;
    }
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        const long long at = (long long)blockIdx.y * p.rows + g.row0 + min2(ownRow + h * 8, rows.end - 1);
        state.m[h] = maxima[at];
        state.l[h] = (lane & 3) == 0 ? sums[at] : 0;
    }
    const int count = count_stripes(lists + ((long long)blockIdx.y * p.groups + rows.group) * p.chunks, p.chunks);
    unit_wait(unit);
    unit_attend(s, state, queries, count, count, SeesAll{}, ownRow);

#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        const float l = quad_sum(state.l[h]), share = 1 / l;
        const int row = ownRow + h * 8;
        if (row < rows.end)
        {
            u32* to = (u32*)(output + offset + row * p.rowStride) + (lane & 3);
#pragma unroll
            for (int dt = 0; dt < CHUNKS; dt++)
            {
                to[dt * 4] = pack(state.o[dt][h * 2] * share, state.o[dt][h * 2 + 1] * share);
            }
            if ((lane & 3) == 0)
            {
                sums[(long long)blockIdx.y * p.rows + g.row0 + row] = (state.m[h] + log2f(l)) * LN2;
            }
        }
    }
}
#endif
