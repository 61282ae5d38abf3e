// Forward for rows of 128 numbers on compute capability 9.0. The state of such rows leaves two blocks of a multiprocessor no registers to address keys and values with, so
// here one block has a multiprocessor to itself: a warp group copies keys and values, tile by tile, and gives its registers to those that multiply.
#if HOPPER && D == 128
#define UNIT 64      // rows of a warp group that multiplies
#define UNITS 3      // warp groups that multiply, and share each tile
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
    u64 full[WIDE_STAGES], empty[WIDE_STAGES]; // barriers of a stage: all its copies have arrived; all its readers are done
};

// Which stage is next, and in which of the barriers' phases.
struct Stage
{
    u32 index, parity;
    __device__ __forceinline__ void advance()
    {
        if (++index == WIDE_STAGES)
        {
            index = 0, parity ^= 1;
        }
    }
};

__device__ __forceinline__ void barrier_make(u32 barrier, int count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory"); }
__device__ __forceinline__ void barrier_arrive(u32 barrier) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory"); }
// Arrives when all copies that this thread has begun are there.
__device__ __forceinline__ void barrier_arrive_with_copies(u32 barrier) { asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory"); }
__device__ __forceinline__ void barrier_wait(u32 barrier, u32 parity)
{
    asm volatile("{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1; @done bra ready; bra again; ready: }" ::"r"(barrier), "r"(parity) : "memory");
}

#if F16
#define WGMMA_WIDE "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 "
#else
#define WGMMA_WIDE "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
#endif
#define FOUR(c, i) "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])

// c[64 x 128] += a[64 x 16] b, by four warps. b: 16 rows of two times 64 columns, and its descriptor says how far the second are from the first.
__device__ __forceinline__ void multiply_rows_wide(float (&c)[CHUNKS][4], const u32 (&a)[4], u32 b)
{
    asm volatile("{ .reg .pred p; setp.eq.b32 p, 0, 0; .reg .b32 upper; mov.b32 upper, 0x40000040; .reg .b64 b; " DESCRIPTOR("b", "%68") WGMMA_WIDE
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
        "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
        "{%64,%65,%66,%67}, b, p, 1, 1, 1; }"
        : FOUR(c, 0), FOUR(c, 1), FOUR(c, 2), FOUR(c, 3), FOUR(c, 4), FOUR(c, 5), FOUR(c, 6), FOUR(c, 7), FOUR(c, 8), FOUR(c, 9), FOUR(c, 10), FOUR(c, 11), FOUR(c, 12),
          FOUR(c, 13), FOUR(c, 14), FOUR(c, 15)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b) : "memory");
}

// Descriptors of the first stage's keys and values; further stages and rows are multiples of 16 bytes away.
__device__ __forceinline__ u32 key_tiles(WideShared& s) { return descriptor(shared_address(s.tiles[0].k)); }
__device__ __forceinline__ u32 value_tiles(WideShared& s) { return (shared_address(s.tiles[0].v) >> 4) | (u32)(SLOTS * 128 / 16) << 16; }
#define STAGE_STEP (u32)(sizeof(WideTile) / 16)

// A warp group's rows on their way through the softmax. Probabilities are relative to m, which may be less than the largest logit by SLACK.
struct UnitState
{
    float o[CHUNKS][4];
    float m[2], l[2]; // as in RowState
};
#define SLACK 8.0f // 2^8 is a number of half precision too, and so is the sum of all that it multiplies

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

// Probabilities of a tile's keys, of which the first `left` are there.
__device__ __forceinline__ void unit_soften(float (&logits)[SLOTS / 8][4], u32 (&p)[SLOTS / 16][4], UnitState& state, int left)
{
    if (left < SLOTS)
    {
#pragma unroll
        for (int nt = 0; nt < SLOTS / 8; nt++)
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                if (nt * 8 + (threadIdx.x & 3) * 2 + (i & 1) >= left)
                {
                    logits[nt][i] = -INFINITE;
                }
            }
    }
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
    }
    if (__any_sync(ALL, top[0] > state.m[0] + SLACK || top[1] > state.m[1] + SLACK)) // what is there shrinks
    {
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const float m = fmaxf(state.m[h], quad_max(top[h])), shrink = exp2_of(state.m[h] - m);
            state.m[h] = m;
            state.l[h] *= shrink;
#pragma unroll
            for (int dt = 0; dt < CHUNKS; dt++)
            {
                state.o[dt][h * 2] *= shrink, state.o[dt][h * 2 + 1] *= shrink;
            }
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
        multiply_rows_wide(state.o, p[js], values + js * 16 * 128 / 16);
    }
    products_commit();
}

// Waits until a tile is there, for products as well.
__device__ __forceinline__ void take_tile(u32 full, const Stage& stage)
{
    barrier_wait(full + stage.index * 8, stage.parity);
    show_to_products();
}

__device__ __forceinline__ void give_back(u32 empty, u32 stage)
{
    if ((threadIdx.x & 31) == 0)
    {
        barrier_arrive(empty + stage * 8);
    }
}

// A warp group goes on with the softmax over `count` keys. The logits of the next tile are begun behind the products with this one's values.
__device__ __forceinline__ void unit_attend(WideShared& s, UnitState& state, u32 queries, int count)
{
    if (count <= 0)
    {
        return;
    }
    const u32 full = shared_address(s.full), empty = shared_address(s.empty), keys = key_tiles(s), values = value_tiles(s);
    Stage stage = {};
    float logits[SLOTS / 8][4];
    u32 p[SLOTS / 16][4];
    take_tile(full, stage);
    unit_score(logits, queries, keys);
    products_wait<0>();
    hold(logits);
    for (; count > SLOTS; count -= SLOTS)
    {
        unit_soften(logits, p, state, SLOTS);
        unit_blend(state, p, values + stage.index * STAGE_STEP);
        const u32 before = stage.index;
        stage.advance();
        take_tile(full, stage);
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
    unit_soften(logits, p, state, count);
    unit_blend(state, p, values + stage.index * STAGE_STEP);
    products_wait<0>();
    hold(state.o);
}

// A group's stripes, all together: by one warp.
__device__ __forceinline__ int count_stripes(const Listed* lists, int chunks)
{
    int count = 0;
    for (int i = threadIdx.x & 31; i < chunks; i += 32)
    {
        count += lists[i].count;
    }
#pragma unroll
    for (int step = 1; step < 32; step *= 2)
    {
        count += __shfl_xor_sync(ALL, count, step);
    }
    return count;
}

// The first warp group copies the keys and values of a group's stripes. keys, values: those of the sequence's first token.
__device__ __forceinline__ void copy_stripes(WideShared& s, Stripes<128, 1>& stripes, const char* keys, const char* values, u32 bytes)
{
    const u32 full = shared_address(s.full), empty = shared_address(s.empty);
    const int piece = threadIdx.x & 15, row = threadIdx.x >> 4; // the thread copies the same piece of rows that are 8 apart
    const u32 place = shared_address(s.tiles) + at<SLOTS>(row, piece);
    Stage stage = {0, 1};
    for (int count = stripes.next(); count > 0; count = stripes.next())
    {
        const int more = -count & (SLOTS - 1); // fill the last tile; those who multiply leave them out
        if (more > 0)
        {
            if (threadIdx.x < more)
            {
                s.list[count + threadIdx.x] = s.list[count - 1];
            }
            wait_for_group<128>(1);
        }
        for (int first = 0; first < count; first += SLOTS, stage.advance())
        {
            u32 key[SLOTS / 8];
#pragma unroll
            for (int i = 0; i < SLOTS / 8; i++)
            {
                key[i] = s.list[first + row + i * 8];
            }
            barrier_wait(empty + stage.index * 8, stage.parity);
            const u32 to = place + stage.index * (u32)sizeof(WideTile);
#pragma unroll
            for (int i = 0; i < SLOTS / 8; i++)
            {
                const u32 from = key[i] * bytes + piece * 16; // rows of all heads are shorter than 4 GiB
                copy16(to + i * 8 * 128, keys + from, true);
                copy16(to + i * 8 * 128 + SLOTS * CHUNKS * 16, values + from, true);
            }
            barrier_arrive_with_copies(full + stage.index * 8);
        }
    }
}

// Goes on from anchor_forward's state over the stripes, as the kernel of this name in forward.cu. Grid: groups times their blocks of UNITS * UNIT rows, heads.
extern "C" __global__ void __launch_bounds__(WIDE_THREADS, 1)
stripe_forward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, const float* __restrict__ states,
    const float* __restrict__ maxima, float* __restrict__ sums, const u32* __restrict__ masks, const int* __restrict__ pool, const Listed* __restrict__ lists,
    u16* __restrict__ output, const Group* __restrict__ groups, Shape p)
{
    extern __shared__ __align__(1024) uint4 memory[];
    WideShared& s = *(WideShared*)memory;
    const int blocks = (p.groupRows + UNITS * UNIT - 1) / (UNITS * UNIT), group = blockIdx.x / blocks, firstUnit = blockIdx.x % blocks * UNITS;
    const Group g = groups[group];
    const int end = min2(g.length, g.start + p.groupRows), units = min2(UNITS, (end - g.start + UNIT - 1) / UNIT - firstUnit); // units that have rows
    if (units <= 0)
    {
        return;
    }
    if (threadIdx.x == 0)
    {
        for (int i = 0; i < WIDE_STAGES; i++)
        {
            barrier_make(shared_address(s.full + i), 128);
            barrier_make(shared_address(s.empty + i), units * 4);
        }
    }
    __syncthreads();
    const int warps = __shfl_sync(ALL, threadIdx.x >> 7, 0), unit = warps - 1; // a number that the compiler sees to be the same in a warp
    const long long offset = g.base + blockIdx.y * p.headStride;
    if (unit < 0)
    {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COPIER_REGISTERS));
        Stripes<128, 1> stripes(masks, pool, lists, group, g, blockIdx.y, p, s.list);
        copy_stripes(s, stripes, (const char*)(k + offset), (const char*)(v + offset), (u32)p.rowStride * 2);
        return;
    }

    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(UNIT_REGISTERS));
    if (unit >= units)
    {
        return;
    }
    const int thread = threadIdx.x & 127, lane = threadIdx.x & 31;
    const int firstRow = g.start + (firstUnit + unit) * UNIT, ownRow = firstRow + (thread >> 5) * 16 + (lane >> 2);
    const u32 queries = shared_address(s.q[0]) + unit * (UNIT * CHUNKS * 16);
#pragma unroll
    for (int i = 0; i < UNIT / 8; i++)
    {
        const int piece = thread & 15, row = (thread >> 4) + i * 8;
        copy16(queries + at<UNIT>(row, piece), q + offset + (long long)min2(firstRow + row, end - 1) * p.rowStride + piece * 8, true);
    }
    copy_commit();
    UnitState state;
    // A block of anchor_forward has 128 rows, and its threads' numbers lie side by side.
    const long long tile = (long long)blockIdx.y * p.tiles + group * tiles_of(p) + (firstUnit + unit) / 2;
    const float4* from = (const float4*)states + tile * (CHUNKS * FORWARD_THREADS) + (firstUnit + unit) % 2 * 128 + thread;
#pragma unroll
    for (int dt = 0; dt < CHUNKS; dt++)
    {
        const float4 x = from[dt * FORWARD_THREADS];
        state.o[dt][0] = x.x, state.o[dt][1] = x.y, state.o[dt][2] = x.z, state.o[dt][3] = x.w;
    }
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        const long long at = (long long)blockIdx.y * p.rows + g.row0 + min2(ownRow + h * 8, end - 1);
        state.m[h] = maxima[at];
        state.l[h] = (lane & 3) == 0 ? sums[at] : 0;
    }
    const int count = count_stripes(lists + ((long long)blockIdx.y * p.groups + group) * p.chunks, p.chunks);
    copy_wait<0>();
    show_to_products();
    wait_for_group<128>(2 + unit);
    unit_attend(s, state, descriptor(queries), count);

#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        const float l = quad_sum(state.l[h]), share = 1 / l;
        const int row = ownRow + h * 8;
        if (row < end)
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
