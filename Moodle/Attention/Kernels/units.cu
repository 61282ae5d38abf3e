// Warp groups on compute capability 9.0: one of a block copies keys and values, tile by tile, and gives its registers to those that multiply: units, each with 64 rows of its own, which share every tile.
#if HOPPER
#define UNIT 64 // rows
#define COPIED (128 / CHUNKS) // rows that a warp group copies at once
// Which stage of the tiles is next, and in which of its barriers' phases: a stage has two, for all its copies being there and for all its readers being done.
template <int Stages> struct Stage
{
    u32 index, parity;
    __device__ __forceinline__ void advance()
    {
        if (++index == Stages)
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

// Waits until a tile is there, for products as well.
__device__ __forceinline__ void take_tile(u32 full, u32 stage, u32 parity)
{
    barrier_wait(full + stage * 8, parity);
    show_to_products();
}

__device__ __forceinline__ void give_back(u32 empty, u32 stage)
{
    if ((threadIdx.x & 31) == 0)
    {
        barrier_arrive(empty + stage * 8);
    }
}

// Of a block with so many readers of each tile, counted in warps; all threads wait.
template <int Stages> __device__ __forceinline__ void make_barriers(u64 (&full)[Stages], u64 (&empty)[Stages], int readers)
{
    if (threadIdx.x == 0)
    {
        for (int i = 0; i < Stages; i++)
        {
            barrier_make(shared_address(full + i), 128);
            barrier_make(shared_address(empty + i), readers);
        }
    }
    __syncthreads();
}

// Of the block's warp groups the copying one is -1; a number of which the compiler knows that all threads of a warp have the same.
__device__ __forceinline__ int unit_of_thread() { return __shfl_sync(ALL, threadIdx.x >> 7, 0) - 1; }
template <int Registers> __device__ __forceinline__ void become_copier() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers)); }
template <int Registers> __device__ __forceinline__ void become_unit() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers)); }

#if F16
#define WGMMA_WIDE "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 "
#else
#define WGMMA_WIDE "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
#endif
#define FOUR(c, i) "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])
#define WIDE_SUMS(c) FOUR(c, 0), FOUR(c, 1), FOUR(c, 2), FOUR(c, 3), FOUR(c, 4), FOUR(c, 5), FOUR(c, 6), FOUR(c, 7), FOUR(c, 8), FOUR(c, 9), FOUR(c, 10), FOUR(c, 11), FOUR(c, 12), \
    FOUR(c, 13), FOUR(c, 14), FOUR(c, 15)
#define WIDE_REGISTERS "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31," \
    "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "

// c[64 x D] += a[64 x 16] b, by four warps. b: 16 rows of D columns; if these are two times 64, its descriptor says how far the second are from the first.
__device__ __forceinline__ void multiply_values(float (&c)[CHUNKS][4], const u32 (&a)[4], u32 b)
{
#if D == 64
    multiply_rows(c, a, b);
#else
    asm volatile("{ .reg .pred p; setp.eq.b32 p, 0, 0; .reg .b32 upper; mov.b32 upper, 0x40000040; .reg .b64 b; " DESCRIPTOR("b", "%68") WGMMA_WIDE WIDE_REGISTERS
        "{%64,%65,%66,%67}, b, p, 1, 1, 1; }" : WIDE_SUMS(c) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b) : "memory");
#endif
}

// What rows see of a tile's slots. Stripes lie before all rows.
struct SeesAll
{
    static constexpr bool Tops = false;
    __device__ __forceinline__ bool cuts(int) const { return false; }
    __device__ __forceinline__ int first_row(int) const { return -1; }
};
// Of their anchor region rows see what the direction allows.
struct SeesAnchors
{
    static constexpr bool Tops = true;
    AnchorKeys key;
    int row; // the first of the warp
    __device__ __forceinline__ bool cuts(int last) const { return CAUSAL && key(last) > row; }
    __device__ __forceinline__ int first_row(int slot) const { return CAUSAL ? key(slot) : -1; }
};

// Gives a tile's numbers another value where a row does not see the slot, or there is none from `count` on. row: the thread's first one; the other is 8 further.
template <int Slots, class Sees> __device__ __forceinline__ void hide(float (&x)[Slots / 8][4], float value, int first, int count, const Sees& sees, int row)
{
    if (first + Slots > count || sees.cuts(first + Slots - 1))
    {
#pragma unroll
        for (int nt = 0; nt < Slots / 8; nt++)
#pragma unroll
            for (int e = 0; e < 2; e++)
            {
                const int slot = first + nt * 8 + (threadIdx.x & 3) * 2 + e, from = slot >= count ? 0x7fffffff : sees.first_row(slot);
#pragma unroll
                for (int h = 0; h < 2; h++)
                {
                    x[nt][h * 2 + e] = from > row + h * 8 ? value : x[nt][h * 2 + e];
                }
            }
    }
}

// A group's stripes, all together: by one warp.
__device__ __forceinline__ int count_stripes(const Listed* lists, int chunks)
{
    int count = 0;
    for (int i = threadIdx.x & 31; i < chunks; i += 32)
    {
        count += lists[i].count;
    }
    return sum_of_warp(count);
}

// What the first warp group does: it copies keys and values, tile after tile: the keys of Slots slots, then their values.
template <int Slots, int Stages> struct Copier
{
    const char *keys, *values; // of the sequence's first token
    u32 bytes;                 // of a token
    u32 full, empty, place;
    int piece, row; // a thread copies the same piece of rows that are COPIED apart
    Stage<Stages> stage;

    __device__ __forceinline__ Copier(const void* tiles, u64 (&full)[Stages], u64 (&empty)[Stages], const u16* k, const u16* v, const Shape& p)
        : keys((const char*)k), values((const char*)v), bytes((u32)p.rowStride * 2), full(shared_address(full)), empty(shared_address(empty)), piece(threadIdx.x % CHUNKS),
          row(threadIdx.x / CHUNKS), stage({0, 1})
    {
        place = shared_address(tiles) + at<Slots>(row, piece);
    }

    // The keys in slots [first, first + Slots), which the caller tells for each slot: there must be as many.
    template <class Keys> __device__ __forceinline__ void copy(int first, const Keys& key)
    {
        u32 from[Slots / COPIED];
#pragma unroll
        for (int i = 0; i < Slots / COPIED; i++)
        {
            from[i] = (u32)key(first + row + i * COPIED);
        }
        barrier_wait(empty + stage.index * 8, stage.parity);
        const u32 to = place + stage.index * (2 * Slots * CHUNKS * 16);
#pragma unroll
        for (int i = 0; i < Slots / COPIED; i++)
        {
            const u32 offset = from[i] * bytes + piece * 16; // sequences are shorter than 4 GiB
            copy16(to + i * COPIED * 128, keys + offset, true);
            copy16(to + i * COPIED * 128 + Slots * CHUNKS * 16, values + offset, true);
        }
        barrier_arrive_with_copies(full + stage.index * 8);
        stage.advance();
    }

    // A group's stripes. What fills the last tile is the last key again; those who multiply leave it out.
    __device__ __forceinline__ void copy_stripes(Stripes<128, 1>& stripes, int (&list)[WINDOW])
    {
        for (int count = stripes.next(); count > 0; count = stripes.next())
        {
            const int more = -count & (Slots - 1);
            if (more > 0)
            {
                if (threadIdx.x < more)
                {
                    list[count + threadIdx.x] = list[count - 1];
                }
                wait_for_group<128>(1);
            }
            for (int first = 0; first < count; first += Slots)
            {
                copy(first, ListedKeys{list});
            }
        }
    }
};

// A block's rows: up to so many units of a group.
template <int Units> struct WideRows
{
    int group, firstUnit, units, end; // units: those that have rows
    Group g;

    __device__ __forceinline__ WideRows(const Group* groups, const Shape& p)
    {
        const int blocks = (p.groupRows + Units * UNIT - 1) / (Units * UNIT);
        group = blockIdx.x / blocks, firstUnit = blockIdx.x % blocks * Units;
        g = groups[group];
        end = min2(g.length, g.start + p.groupRows);
        units = min2(Units, (end - g.start + UNIT - 1) / UNIT - firstUnit);
    }

    __device__ __forceinline__ int first_row(int unit) const { return g.start + (firstUnit + unit) * UNIT; }

    // How many keys of the anchor region a unit needs: of those from the group's first row on, causal ones need those up to their own last.
    __device__ __forceinline__ int anchor_keys(int unit, const Bounds& b) const { return b.initEnd - b.localStart + (CAUSAL ? min2(b.localEnd, first_row(unit + 1)) : b.localEnd); }

    // Where a unit's unfinished output is kept: each thread's numbers, 16 bytes at a time.
    __device__ __forceinline__ float4* state_of(float* states, int unit, const Shape& p) const
    {
        const long long place = ((long long)blockIdx.y * p.tiles + group * tiles_of(p)) * (ROWS / UNIT) + firstUnit + unit;
        return (float4*)states + place * (CHUNKS * 128) + (threadIdx.x & 127);
    }
};

// Begins to copy a unit's rows, the last one again where there are no more; what it returns may be multiplied after unit_wait.
__device__ __forceinline__ u32 load_unit(const void* tiles, int unit, const u16* q, long long stride, int first, int end)
{
    const u32 tile = shared_address(tiles) + unit * (UNIT * CHUNKS * 16);
#pragma unroll
    for (int i = 0; i < UNIT / COPIED; i++)
    {
        const int piece = threadIdx.x % CHUNKS, row = threadIdx.x / CHUNKS % COPIED + i * COPIED;
        copy16(tile + at<UNIT>(row, piece), q + min2(first + row, end - 1) * stride + piece * 8, true);
    }
    copy_commit();
    return descriptor(tile);
}
__device__ __forceinline__ void unit_wait(int unit)
{
    copy_wait<0>();
    show_to_products();
    wait_for_group<128>(2 + unit);
}
#endif
