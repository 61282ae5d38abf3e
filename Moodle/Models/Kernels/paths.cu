// What the messages along a graph's edges to each entity amount to, and the gradient. NVRTC compiles this file without any header; the host's side is
// Moodle/Models/Paths/PathKernels.cs, and PathOperations.cs says the same out of libtorch's operations.
//
// Columns are all numbers of an entity's state: [queries, d], d a multiple of 8. A warp takes 256 of them, 8 a thread, and all edges of one entity; blocks are
// started column by column, so that what the warps read at a time (the rows of all entities, cut to 256 columns) stays in the L2 cache. The edges of a hub are
// shared out over the warps of a block, and those of a large one over several blocks: one warp that goes along a thousand edges takes longer than all others together.
// What these blocks find is joined by another launch.
typedef long long i64;
typedef unsigned short u16;

#define WARPS 8
#define SPAN 256 // columns of a warp
#define CHUNK 256 // most edges of a warp
// Edges whose rows are fetched together, and blocks of a multiprocessor that the registers are to suffice for.
#define FETCH 2
#define FORWARD_BLOCKS 3
#define EDGES 3
#define BACKWARD_BLOCKS 2
#define ALL ~0u
#define NO_EDGE 0xffff
#define SOME_EDGE 0xfffe // one of those that brought a zero which takes no gradient
#define INFINITE __int_as_float(0x7f800000)

struct Graph
{
    const int* offsets;          // [entities + 1]
    const int4* edges;           // other end, relation, position among the target's edges, unit
    const int4* pieces;          // what a block takes, then what a warp takes: entity, first edge, end, slot for what is found, or -1 where these are all of its edges
    const unsigned char* hidden; // [units], 1 where hidden, or null
    const i64* heads;            // [queries]
    int entities, edgeCount, columns, size;
    int shared, all;             // pieces
    int atHeads;                 // 1 where states are zero but at their queries' heads
};

struct Eight
{
    float of[8];
};

__device__ __forceinline__ Eight filled(float x)
{
    Eight y;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        y.of[i] = x;
    }
    return y;
}

__device__ __forceinline__ uint4 load(const u16* at) { return *(const uint4*)at; }

// Number i of eight bfloat16 numbers.
__device__ __forceinline__ float number(const uint4& x, int i)
{
    const unsigned word = i < 2 ? x.x : i < 4 ? x.y : i < 6 ? x.z : x.w;
    return __uint_as_float(i & 1 ? word & 0xffff0000u : word << 16);
}

__device__ __forceinline__ unsigned half_word(const uint4& x, int i)
{
    const unsigned word = i < 2 ? x.x : i < 4 ? x.y : i < 6 ? x.z : x.w;
    return i & 1 ? word >> 16 : word & 0xffff;
}

__device__ __forceinline__ unsigned packed(float low, float high)
{
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

// Sums of two numbers each.
__device__ __forceinline__ unsigned sum_of_pairs(unsigned a, unsigned b)
{
    unsigned sum;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(0x3f803f80u), "r"(b));
    return sum;
}

// Products of two numbers each, rounded; -0 is what changes none.
__device__ __forceinline__ unsigned product_of_pairs(unsigned a, unsigned b)
{
    unsigned product;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(product) : "r"(a), "r"(b), "r"(0x80008000u));
    return product;
}

__device__ __forceinline__ unsigned higher_of_pairs(unsigned a, unsigned b)
{
    unsigned higher;
    asm("max.bf16x2 %0, %1, %2;" : "=r"(higher) : "r"(a), "r"(b));
    return higher;
}

__device__ __forceinline__ unsigned lower_of_pairs(unsigned a, unsigned b)
{
    unsigned lower;
    asm("min.bf16x2 %0, %1, %2;" : "=r"(lower) : "r"(a), "r"(b));
    return lower;
}

// Where halves are equal, as 0xffff each. They are compared as numbers of float16, so that none may be above 0x7c00; two that are do not equal each other.
__device__ __forceinline__ unsigned equal_halves(unsigned a, unsigned b)
{
    unsigned where;
    asm("set.eq.u32.f16x2 %0, %1, %2;" : "=r"(where) : "r"(a), "r"(b));
    return where;
}

// Each of a word's bytes as the selector names them by 8 and more: its highest bit eight times.
__device__ __forceinline__ unsigned signs_of_bytes(unsigned word, unsigned selector)
{
    unsigned signs;
    asm("prmt.b32 %0, %1, 0, %2;" : "=r"(signs) : "r"(word), "r"(selector));
    return signs;
}

__device__ __forceinline__ uint4 packed(const Eight& x)
{
    return make_uint4(packed(x.of[0], x.of[1]), packed(x.of[2], x.of[3]), packed(x.of[4], x.of[5]), packed(x.of[6], x.of[7]));
}

__device__ __forceinline__ void store(u16* at, const Eight& x) { *(uint4*)at = packed(x); }

__device__ __forceinline__ void add(float* to, float a, float b, float c, float d)
{
#if __CUDA_ARCH__ >= 900 && __CUDACC_VER_MAJOR__ >= 12
    asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to), "f"(a), "f"(b), "f"(c), "f"(d) : "memory");
#else
    atomicAdd(to, a);
    atomicAdd(to + 1, b);
    atomicAdd(to + 2, c);
    atomicAdd(to + 3, d);
#endif
}

// What a warp works at: edges of an entity.
struct Task
{
    int entity, first, end, slot;
    bool shared; // with all warps of the block
};

// entity is -1 where nothing is left; never in a block that shares.
__device__ __forceinline__ Task task_of(const Graph& g)
{
    const int warp = threadIdx.x >> 5, block = blockIdx.x;
    Task t;
    t.shared = block < g.shared;
    const int index = t.shared ? block : g.shared + (block - g.shared) * WARPS + warp;
    const int4 piece = index < g.all ? g.pieces[index] : make_int4(-1, 0, 0, -1);
    t.entity = piece.x;
    t.first = piece.y;
    t.end = piece.z;
    t.slot = piece.w;
    if (t.shared)
    {
        const int part = (t.end - t.first + WARPS - 1) / WARPS;
        t.first = min(t.end, t.first + warp * part);
        t.end = min(t.end, t.first + part);
    }
    return t;
}

// The edges of the next 32 that are not hidden, as bits; edge gets the lane's own.
__device__ __forceinline__ unsigned visible(const Graph& g, int base, int end, int4& edge)
{
    const int at = base + (threadIdx.x & 31);
    edge = at < end ? g.edges[at] : make_int4(0, 0, 0, 0);
    return __ballot_sync(ALL, at < end && (g.hidden == 0 || g.hidden[edge.w] == 0));
}

// Moves the edges that are among the bits to the first lanes; their number.
__device__ __forceinline__ int gathered(unsigned edges, int4& edge)
{
    const int count = __popc(edges);
    // Most often they are there already.
    if ((edges & (edges + 1)) != 0)
    {
        int from = 0;
        for (int i = 0; i < count; i++)
        {
            from = (threadIdx.x & 31) == i ? __ffs(edges) - 1 : from;
            edges &= edges - 1;
        }
        edge.x = __shfl_sync(ALL, edge.x, from);
        edge.y = __shfl_sync(ALL, edge.y, from);
        edge.z = __shfl_sync(ALL, edge.z, from);
    }
    return count;
}

// Whether an entity is the head of one of the queries whose columns a warp takes; head is that of the lane's own. All lanes must call.
__device__ __forceinline__ bool asks(int entity, int head, int size)
{
    bool found = false;
    for (int lane = 0; lane < 32; lane += size / 8)
    {
        found |= __shfl_sync(ALL, head, lane) == entity;
    }
    const bool last = __shfl_sync(ALL, head, 31) == entity; // where a span ends within a query
    return found || last;
}

// The head of the query that a column belongs to, or -1.
__device__ __forceinline__ int head_of(const Graph& g, int column) { return column < g.columns ? (int)g.heads[column / g.size] : -1; }

// What the messages along a warp's edges come to. A product of two bfloat16 numbers leaves the last eight bits of a float free: those of the extremes hold CHUNK - 1 less
// the edge's place among the warp's where places are asked for. Of equal messages the first is then both highest above zero and lowest below it, where extremes lie
// but for some of a head, whose own message is not zero: there the last. Where no places are asked for, the extremes are of rounded messages, two to a word, which round to
// what the extremes would.
struct Sums
{
    Eight sum, square, high, low;
    uint4 highs, lows;
};

__device__ __forceinline__ Sums nothing()
{
    Sums none;
    none.sum = none.square = filled(0);
    none.high = filled(-INFINITE);
    none.low = filled(INFINITE);
    none.highs = make_uint4(0xff80ff80, 0xff80ff80, 0xff80ff80, 0xff80ff80);
    none.lows = make_uint4(0x7f807f80, 0x7f807f80, 0x7f807f80, 0x7f807f80);
    return none;
}

__device__ __forceinline__ void take_extremes(unsigned& high, unsigned& low, unsigned h, unsigned w)
{
    const unsigned m = product_of_pairs(h, w);
    high = higher_of_pairs(high, m);
    low = lower_of_pairs(low, m);
}

__device__ __forceinline__ float value_of(float extreme) { return __uint_as_float(__float_as_uint(extreme) & ~(CHUNK - 1u)); }

__device__ __forceinline__ unsigned place_of(float extreme) { return CHUNK - 1 - (__float_as_uint(extreme) & (CHUNK - 1)); }

// Adds the messages along the edges from first to end, CHUNK at most, that are not hidden. silent counts those from states that are known to be zero.
template <bool PLACES>
__device__ __forceinline__ void take(const Graph& g, const u16* states, const u16* relations, int first, int end, int column, int head, Sums& all, int& seen, int& silent)
{
    const bool active = column < g.columns;
    const unsigned each = g.columns / 8;
    const uint4* state = (const uint4*)states + column / 8;
    const uint4* weight = (const uint4*)relations + column / 8;
    int relation = -1;
    Eight by = filled(0); // what the relation multiplies by
    uint4 byPairs = make_uint4(0, 0, 0, 0);
    for (int base = first; base < end; base += 32)
    {
        int4 edge;
        unsigned edges = visible(g, base, end, edge);
        seen += __popc(edges);
        if (g.atHeads)
        {
            const unsigned asking = __ballot_sync(ALL, asks(edge.x, head, g.size));
            silent += __popc(edges & ~asking);
            edges &= asking;
        }
        edge.x *= each;
        edge.z = CHUNK - 1 - (base + (threadIdx.x & 31) - first);
        const int count = gathered(edges, edge);
        for (int next = 0; next < count; next += FETCH)
        {
            // Edges of one relation follow each other.
            uint4 h[FETCH], w[FETCH];
            int about[FETCH], last = relation;
            unsigned code[FETCH];
#pragma unroll
            for (int e = 0; e < FETCH; e++)
            {
                const int which = __shfl_sync(ALL, edge.y, next + e);
                const unsigned from = __shfl_sync(ALL, edge.x, next + e);
                code[e] = PLACES ? __shfl_sync(ALL, edge.z, next + e) : 0;
                about[e] = next + e < count ? which : -1;
                h[e] = w[e] = make_uint4(0, 0, 0, 0);
                if (about[e] >= 0 && active)
                {
                    h[e] = state[from];
                    if (which != last)
                    {
                        w[e] = weight[which * each];
                    }
                }
                last = about[e];
            }
#pragma unroll
            for (int e = 0; e < FETCH; e++)
            {
                if (about[e] < 0)
                {
                    continue;
                }
                if (about[e] != relation)
                {
                    relation = about[e];
                    byPairs = w[e];
#pragma unroll
                    for (int i = 0; i < 8; i++)
                    {
                        by.of[i] = number(w[e], i);
                    }
                }
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    const float m = number(h[e], i) * by.of[i];
                    all.sum.of[i] += m;
                    all.square.of[i] = fmaf(m, m, all.square.of[i]);
                    if (PLACES)
                    {
                        const float placed = __uint_as_float(__float_as_uint(m) | code[e]);
                        all.high.of[i] = fmaxf(all.high.of[i], placed);
                        all.low.of[i] = fminf(all.low.of[i], placed);
                    }
                }
                if (!PLACES)
                {
                    take_extremes(all.highs.x, all.lows.x, h[e].x, byPairs.x);
                    take_extremes(all.highs.y, all.lows.y, h[e].y, byPairs.y);
                    take_extremes(all.highs.z, all.lows.z, h[e].z, byPairs.z);
                    take_extremes(all.highs.w, all.lows.w, h[e].w, byPairs.w);
                }
            }
        }
    }
}

// What was found in eight columns of an entity, or in a piece of its edges: positions are among all of them.
struct Found
{
    Eight sum, square, high, low;
    unsigned atHigh[8], atLow[8];
    int seen, silent;
};

// Numbers of a piece's eight columns, as path_join reads them.
#define PLANES 8

__device__ __forceinline__ void put(float* at, const Eight& x)
{
    ((float4*)at)[0] = make_float4(x.of[0], x.of[1], x.of[2], x.of[3]);
    ((float4*)at)[1] = make_float4(x.of[4], x.of[5], x.of[6], x.of[7]);
}

__device__ __forceinline__ Eight take_back(const float* at)
{
    const float4 a = ((const float4*)at)[0], b = ((const float4*)at)[1];
    return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

__device__ __forceinline__ void keep(float* pieces, int slot, int column, const Graph& g, const Found& found)
{
    float* at = pieces + (i64)slot * PLANES * g.columns + column;
    Eight high, low;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        high.of[i] = __uint_as_float(found.atHigh[i]);
        low.of[i] = __uint_as_float(found.atLow[i]);
    }
    put(at, found.sum);
    put(at + g.columns, found.square);
    put(at + 2 * g.columns, found.high);
    put(at + 3 * g.columns, found.low);
    put(at + 4 * g.columns, high);
    put(at + 5 * g.columns, low);
    put(at + 6 * g.columns, filled(__int_as_float(found.seen)));
    put(at + 7 * g.columns, filled(__int_as_float(found.silent)));
}

// Nothing is found yet.
__device__ __forceinline__ void clear(Found& found)
{
    found.sum = found.square = filled(0);
    found.high = filled(-INFINITE);
    found.low = filled(INFINITE);
    found.seen = found.silent = 0;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        found.atHigh[i] = found.atLow[i] = NO_EDGE;
    }
}

// Adds what comes from later edges; the first of equals stays.
__device__ __forceinline__ void join(Found& found, const Found& later)
{
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        found.sum.of[i] += later.sum.of[i];
        found.square.of[i] += later.square.of[i];
        if (later.high.of[i] > found.high.of[i])
        {
            found.high.of[i] = later.high.of[i];
            found.atHigh[i] = later.atHigh[i];
        }
        if (later.low.of[i] < found.low.of[i])
        {
            found.low.of[i] = later.low.of[i];
            found.atLow[i] = later.atLow[i];
        }
    }
    found.seen += later.seen;
    found.silent += later.silent;
}

// Writes what all edges of an entity come to, and the query's own message.
template <bool PLACES>
__device__ __forceinline__ void finish(
    Found& all, int entity, int column, const u16* queries, u16* output, u16* highest, u16* lowest, float* counts, const Graph& g)
{
    const float count = all.seen + 1, share = 1 / count;
    if (PLACES && column == 0)
    {
        counts[entity] = count;
    }
    if (column >= g.columns)
    {
        return;
    }
    const int query = column / g.size;
    const bool isHead = g.heads[query] == entity;
    const uint4 asked = isHead ? load(queries + column) : make_uint4(0, 0, 0, 0);
    Eight mean, deviation;
    unsigned highWords[4] = {0, 0, 0, 0}, lowWords[4] = {0, 0, 0, 0};
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        if (all.silent > 0 && 0 > all.high.of[i])
        {
            all.high.of[i] = 0;
            all.atHigh[i] = SOME_EDGE;
        }
        if (all.silent > 0 && 0 < all.low.of[i])
        {
            all.low.of[i] = 0;
            all.atLow[i] = SOME_EDGE;
        }
        const float own = number(asked, i);
        mean.of[i] = (all.sum.of[i] + own) * share;
        deviation.of[i] = sqrtf(fmaxf((all.square.of[i] + own * own) * share - mean.of[i] * mean.of[i], 0) + 1e-6f);
        const bool higher = all.high.of[i] > own, lower = all.low.of[i] < own;
        all.high.of[i] = higher ? all.high.of[i] : own;
        all.low.of[i] = lower ? all.low.of[i] : own;
        highWords[i / 2] |= (higher ? all.atHigh[i] : NO_EDGE) << (i & 1) * 16;
        lowWords[i / 2] |= (lower ? all.atLow[i] : NO_EDGE) << (i & 1) * 16;
    }
    u16* row = output + ((i64)entity * g.columns + query * g.size) * 4 + column % g.size;
    store(row, mean);
    store(row + g.size, all.high);
    store(row + 2 * g.size, all.low);
    store(row + 3 * g.size, deviation);
    if (PLACES)
    {
        const i64 place = (i64)entity * g.columns + column;
        *(uint4*)(highest + place) = make_uint4(highWords[0], highWords[1], highWords[2], highWords[3]);
        *(uint4*)(lowest + place) = make_uint4(lowWords[0], lowWords[1], lowWords[2], lowWords[3]);
    }
}

template <bool PLACES>
__device__ __forceinline__ void aggregate(
    const u16* states, const u16* relations, const u16* queries, u16* output, u16* highest, u16* lowest, float* counts, float* pieces, const Graph& g)
{
    __shared__ float parts[4][8][32];
    __shared__ unsigned positions[2][8][32];
    __shared__ int seenByAll, silentOfAll;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, column = blockIdx.y * SPAN + lane * 8;
    const Task task = task_of(g);
    if (task.entity < 0)
    {
        return;
    }
    Found found;
    {
        Sums all = nothing();
        found.seen = found.silent = 0;
        take<PLACES>(g, states, relations, task.first, task.end, column, g.atHeads ? head_of(g, column) : -1, all, found.seen, found.silent);
        const int before = task.first - g.offsets[task.entity];
        found.sum = all.sum;
        found.square = all.square;
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            found.high.of[i] = PLACES ? value_of(all.high.of[i]) : number(all.highs, i);
            found.low.of[i] = PLACES ? value_of(all.low.of[i]) : number(all.lows, i);
            found.atHigh[i] = before + place_of(all.high.of[i]);
            found.atLow[i] = before + place_of(all.low.of[i]);
        }
    }
    if (task.shared)
    {
        // One warp after the other, in the order of their edges.
        for (int turn = 0; turn < WARPS; turn++)
        {
            if (warp == turn)
            {
                if (turn > 0)
                {
                    Found earlier;
#pragma unroll
                    for (int i = 0; i < 8; i++)
                    {
                        earlier.sum.of[i] = parts[0][i][lane];
                        earlier.square.of[i] = parts[1][i][lane];
                        earlier.high.of[i] = parts[2][i][lane];
                        earlier.low.of[i] = parts[3][i][lane];
                        earlier.atHigh[i] = positions[0][i][lane];
                        earlier.atLow[i] = positions[1][i][lane];
                    }
                    earlier.seen = seenByAll;
                    earlier.silent = silentOfAll;
                    join(earlier, found);
                    found = earlier;
                }
                if (turn < WARPS - 1)
                {
#pragma unroll
                    for (int i = 0; i < 8; i++)
                    {
                        parts[0][i][lane] = found.sum.of[i];
                        parts[1][i][lane] = found.square.of[i];
                        parts[2][i][lane] = found.high.of[i];
                        parts[3][i][lane] = found.low.of[i];
                        positions[0][i][lane] = found.atHigh[i];
                        positions[1][i][lane] = found.atLow[i];
                    }
                    __syncwarp();
                    if (lane == 0)
                    {
                        seenByAll = found.seen;
                        silentOfAll = found.silent;
                    }
                }
            }
            __syncthreads();
        }
        if (warp != WARPS - 1)
        {
            return;
        }
        if (task.slot >= 0)
        {
            if (column < g.columns)
            {
                keep(pieces, task.slot, column, g, found);
            }
            return;
        }
    }
    finish<PLACES>(found, task.entity, column, queries, output, highest, lowest, counts, g);
}

// What several blocks found of an entity. Grid: such entities, spans of columns; a warp each. joined: entity, its first slot, its last.
template <bool PLACES>
__device__ __forceinline__ void join_pieces(
    const float* pieces, const int4* joined, const u16* queries, u16* output, u16* highest, u16* lowest, float* counts, const Graph& g)
{
    const int column = blockIdx.y * SPAN + (threadIdx.x & 31) * 8;
    const int4 task = joined[blockIdx.x];
    if (column >= g.columns)
    {
        return;
    }
    Found all;
    clear(all);
    for (int slot = task.y; slot <= task.z; slot++)
    {
        const float* at = pieces + (i64)slot * PLANES * g.columns + column;
        Found piece;
        piece.sum = take_back(at);
        piece.square = take_back(at + g.columns);
        piece.high = take_back(at + 2 * g.columns);
        piece.low = take_back(at + 3 * g.columns);
        const Eight high = take_back(at + 4 * g.columns), low = take_back(at + 5 * g.columns);
        piece.seen = __float_as_int(at[6 * g.columns]);
        piece.silent = __float_as_int(at[7 * g.columns]);
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            piece.atHigh[i] = __float_as_uint(high.of[i]);
            piece.atLow[i] = __float_as_uint(low.of[i]);
        }
        join(all, piece);
    }
    finish<PLACES>(all, task.x, column, queries, output, highest, lowest, counts, g);
}

// Grid: blocks of entities, spans of columns. states [entities, columns], relations [2|R|, columns], queries [columns], output [entities, queries, 4 size]: mean,
// maximum, minimum, standard deviation; highest and lowest [entities, columns]: positions of edges, or NO_EDGE; counts [entities]. g.edges are by target.
extern "C" __global__ void __launch_bounds__(32 * WARPS, FORWARD_BLOCKS)
path_forward(const u16* __restrict__ states, const u16* __restrict__ relations, const u16* __restrict__ queries, u16* __restrict__ output,
    u16* __restrict__ highest, u16* __restrict__ lowest, float* __restrict__ counts, float* __restrict__ pieces, Graph g)
{
    aggregate<true>(states, relations, queries, output, highest, lowest, counts, pieces, g);
}

extern "C" __global__ void __launch_bounds__(32)
path_forward_join(const float* __restrict__ pieces, const int4* __restrict__ joined, const u16* __restrict__ queries, u16* __restrict__ output,
    u16* __restrict__ highest, u16* __restrict__ lowest, float* __restrict__ counts, Graph g)
{
    join_pieces<true>(pieces, joined, queries, output, highest, lowest, counts, g);
}

// The same where no gradient will be asked for.
extern "C" __global__ void __launch_bounds__(32 * WARPS, FORWARD_BLOCKS)
path_answer(const u16* __restrict__ states, const u16* __restrict__ relations, const u16* __restrict__ queries, u16* __restrict__ output,
    float* __restrict__ pieces, Graph g)
{
    aggregate<false>(states, relations, queries, output, 0, 0, 0, pieces, g);
}

extern "C" __global__ void __launch_bounds__(32)
path_answer_join(const float* __restrict__ pieces, const int4* __restrict__ joined, const u16* __restrict__ queries, u16* __restrict__ output, Graph g)
{
    join_pieces<false>(pieces, joined, queries, output, 0, 0, 0, g);
}

// Grid: threads for eight columns of an entity each. A message m to an entity gets level + slope * m of the mean's and the deviation's gradients: levels and slopes
// [entities, columns]. Where the variance is 0 the messages are their mean, and the two cancel. A query's own message gets its gradient, extremes included,
// here: toQueries [columns].
extern "C" __global__ void __launch_bounds__(256)
path_slopes(const u16* __restrict__ gradient, const u16* __restrict__ output, const float* __restrict__ counts, const u16* __restrict__ queries,
    const u16* __restrict__ highest, const u16* __restrict__ lowest, u16* __restrict__ levels, u16* __restrict__ slopes, float* __restrict__ toQueries, Graph g)
{
    const i64 thread = (i64)blockIdx.x * 256 + threadIdx.x, each = g.columns / 8;
    if (thread >= g.entities * each)
    {
        return;
    }
    const int entity = (int)(thread / each), column = (int)(thread % each) * 8, query = column / g.size;
    const i64 row = ((i64)entity * g.columns + query * g.size) * 4 + column % g.size, place = (i64)entity * g.columns + column;
    const float share = 1 / counts[entity];
    const uint4 mean = load(output + row), deviation = load(output + row + 3 * g.size);
    const uint4 toMean = load(gradient + row), toDeviation = load(gradient + row + 3 * g.size);
    Eight level, slope;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        slope.of[i] = share * number(toDeviation, i) / number(deviation, i);
        level.of[i] = share * number(toMean, i) - slope.of[i] * number(mean, i);
    }
    store(levels + place, level);
    store(slopes + place, slope);
    if (g.heads[query] == entity)
    {
        const uint4 asked = load(queries + column), atHigh = load(highest + place), atLow = load(lowest + place);
        const uint4 toHigh = load(gradient + row + g.size), toLow = load(gradient + row + 2 * g.size);
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            toQueries[column + i] = level.of[i] + slope.of[i] * number(asked, i) + (half_word(atHigh, i) == NO_EDGE ? number(toHigh, i) : 0)
                + (half_word(atLow, i) == NO_EDGE ? number(toLow, i) : 0);
        }
    }
}

// Grid: blocks of entities, spans of columns. marks [spans, edges by target, 32]: which of eight columns have their maximum (the low eight bits) or minimum from the
// edge, two bytes where path_backward would have to read 32 of positions. A span's rows are apart, so that no two warps write to the same 32 bytes.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
path_marks(const u16* __restrict__ highest, const u16* __restrict__ lowest, u16* __restrict__ marks, Graph g)
{
    const int column = blockIdx.y * SPAN + (threadIdx.x & 31) * 8;
    const Task task = task_of(g);
    if (task.entity < 0 || column >= g.columns)
    {
        return;
    }
    const i64 place = (i64)task.entity * g.columns + column;
    const uint4 atHigh = load(highest + place), atLow = load(lowest + place);
    const unsigned high[4] = {atHigh.x, atHigh.y, atHigh.z, atHigh.w}, low[4] = {atLow.x, atLow.y, atLow.z, atLow.w};
    const int first = g.offsets[task.entity];
    const bool few = g.offsets[task.entity + 1] - first <= 0x7c00;
    u16* to = marks + ((i64)blockIdx.y * g.edgeCount + task.first) * 32 + (threadIdx.x & 31);
    for (int position = task.first - first; position < task.end - first; position++)
    {
        unsigned mark = 0;
        if (few)
        {
            const unsigned both = position * 0x10001u;
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                // Columns 2 i and 2 i + 1, the latter in the upper half.
                mark |= equal_halves(high[i], both) & (0x20001u << 2 * i);
                mark |= equal_halves(low[i], both) & (0x2000100u << 2 * i);
            }
            mark |= mark >> 16;
        }
        else
        {
#pragma unroll
            for (int i = 0; i < 8; i++)
            {
                mark |= half_word(atHigh, i) == (unsigned)position ? 1u << i : 0;
                mark |= half_word(atLow, i) == (unsigned)position ? 256u << i : 0;
            }
        }
        *to = (u16)mark;
        to += 32;
    }
}

// Adds what came over the edges of one relation to its gradient.
__device__ __forceinline__ void add_relation(float* toRelations, const Graph& g, int relation, int column, const Eight& toMessages, const Eight& from)
{
    float* to = toRelations + (i64)relation * g.columns + column;
    const float *t = toMessages.of, *f = from.of;
    add(to, t[0] * f[0], t[1] * f[1], t[2] * f[2], t[3] * f[3]);
    add(to + 4, t[4] * f[4], t[5] * f[5], t[6] * f[6], t[7] * f[7]);
}

// Adds the gradients of an entity's maxima and minima in eight columns, where an edge's mark says that it brought them.
__device__ __forceinline__ void add_marked(uint4& to, const uint4& toHigh, const uint4& toLow, unsigned mark)
{
    // Four bits of the mark each, as the highest bits of four bytes.
    const unsigned high[2] = {(mark & 15) * 0x10204080u, (mark >> 4 & 15) * 0x10204080u};
    const unsigned low[2] = {(mark >> 8 & 15) * 0x10204080u, (mark >> 12 & 15) * 0x10204080u};
    to.x = sum_of_pairs(to.x, sum_of_pairs(toHigh.x & signs_of_bytes(high[0], 0x9988), toLow.x & signs_of_bytes(low[0], 0x9988)));
    to.y = sum_of_pairs(to.y, sum_of_pairs(toHigh.y & signs_of_bytes(high[0], 0xbbaa), toLow.y & signs_of_bytes(low[0], 0xbbaa)));
    to.z = sum_of_pairs(to.z, sum_of_pairs(toHigh.z & signs_of_bytes(high[1], 0x9988), toLow.z & signs_of_bytes(low[1], 0x9988)));
    to.w = sum_of_pairs(to.w, sum_of_pairs(toHigh.w & signs_of_bytes(high[1], 0xbbaa), toLow.w & signs_of_bytes(low[1], 0xbbaa)));
}

// What is added to the gradient of states by what else they went into, or nothing.
__device__ __forceinline__ void add_through(Eight& toState, const u16* through, i64 place)
{
    if (through != 0)
    {
        const uint4 more = load(through + place);
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            toState.of[i] += number(more, i);
        }
    }
}

// Grid: blocks of entities, spans of columns. g.edges are by source and, within it, by relation: all messages from an entity along one relation are the same, so that
// their gradients are summed before they are multiplied, and added once to toRelations [2|R|, columns], in no fixed order. toStates [entities, columns], with
// through [entities, columns], if it is given, already in it.
extern "C" __global__ void __launch_bounds__(32 * WARPS, BACKWARD_BLOCKS)
path_backward(const u16* __restrict__ gradient, const u16* __restrict__ states, const u16* __restrict__ relations, const u16* __restrict__ levels,
    const u16* __restrict__ slopes, const u16* __restrict__ marks, const u16* __restrict__ through,
    u16* __restrict__ toStates, float* __restrict__ toRelations, float* __restrict__ pieces, Graph g)
{
    __shared__ float parts[8][32];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, column = blockIdx.y * SPAN + lane * 8;
    const bool active = column < g.columns;
    Task task = task_of(g);
    if (task.entity < 0)
    {
        return;
    }
    if (g.atHeads && !asks(task.entity, head_of(g, column), g.size))
    {
        // A state that is zero for all of these queries: nobody asks for its gradient, and it gives the relations none.
        task.end = task.first;
    }
    const uint4 h = active ? load(states + (i64)task.entity * g.columns + column) : make_uint4(0, 0, 0, 0);
    const i64 extremes = (i64)(column / g.size) * g.size * 4 + column % g.size + g.size; // of the maximum, in a row of gradient
    Eight from, toState = filled(0), by = filled(0), message = filled(0), toMessages = filled(0); // the last three of the edges of one relation
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        from.of[i] = number(h, i);
    }
    int relation = -1;
    const unsigned each = g.columns / 8;
    const uint4 *level = (const uint4*)levels + column / 8, *slope = (const uint4*)slopes + column / 8, *weight = (const uint4*)relations + column / 8;
    const u16* mark = marks + (i64)blockIdx.y * g.edgeCount * 32 + lane;
    for (int base = task.first; base < task.end; base += 32)
    {
        int4 edge;
        const int count = gathered(visible(g, base, task.end, edge), edge);
        edge.x *= each;
        // Marks are fetched before the edges' turn comes: they tell what else is.
        unsigned ahead[EDGES];
#pragma unroll
        for (int e = 0; e < EDGES; e++)
        {
            const int index = __shfl_sync(ALL, edge.z, e);
            ahead[e] = e < count && active ? mark[(i64)index * 32] : 0;
        }
        for (int next = 0; next < count; next += EDGES)
        {
            uint4 w[EDGES], flat[EDGES], steep[EDGES], high[EDGES], low[EDGES];
            unsigned marked[EDGES];
            int about[EDGES], last = relation;
#pragma unroll
            for (int e = 0; e < EDGES; e++)
            {
                const int which = __shfl_sync(ALL, edge.y, next + e), index = __shfl_sync(ALL, edge.z, next + EDGES + e);
                const unsigned target = __shfl_sync(ALL, edge.x, next + e);
                about[e] = next + e < count ? which : -1;
                marked[e] = ahead[e];
                ahead[e] = next + EDGES + e < count && active ? mark[(i64)index * 32] : 0;
                w[e] = flat[e] = steep[e] = high[e] = low[e] = make_uint4(0, 0, 0, 0);
                if (about[e] >= 0 && active)
                {
                    flat[e] = level[target];
                    steep[e] = slope[target];
                    if (which != last)
                    {
                        w[e] = weight[which * each];
                    }
                }
                if (marked[e] != 0)
                {
                    const u16* row = gradient + (i64)target * 32 + extremes;
                    high[e] = load(row);
                    low[e] = load(row + g.size);
                }
                last = about[e];
            }
#pragma unroll
            for (int e = 0; e < EDGES; e++)
            {
                if (about[e] < 0)
                {
                    continue;
                }
                if (__any_sync(ALL, marked[e] != 0))
                {
                    add_marked(flat[e], high[e], low[e], marked[e]);
                }
                if (about[e] != relation)
                {
                    if (relation >= 0 && active)
                    {
                        add_relation(toRelations, g, relation, column, toMessages, from);
                    }
                    relation = about[e];
#pragma unroll
                    for (int i = 0; i < 8; i++)
                    {
                        toState.of[i] += toMessages.of[i] * by.of[i];
                        by.of[i] = number(w[e], i);
                        message.of[i] = from.of[i] * by.of[i];
                        toMessages.of[i] = 0;
                    }
                }
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    toMessages.of[i] += fmaf(number(steep[e], i), message.of[i], number(flat[e], i));
                }
            }
        }
    }
    if (relation >= 0)
    {
        if (active)
        {
            add_relation(toRelations, g, relation, column, toMessages, from);
        }
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            toState.of[i] += toMessages.of[i] * by.of[i];
        }
    }
    if (task.shared)
    {
        for (int other = 1; other < WARPS; other++)
        {
            __syncthreads();
            if (warp == other)
            {
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    parts[i][lane] = toState.of[i];
                }
            }
            __syncthreads();
            if (warp == 0)
            {
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    toState.of[i] += parts[i][lane];
                }
            }
        }
        if (warp != 0)
        {
            return;
        }
    }
    if (!active)
    {
        return;
    }
    if (task.slot >= 0)
    {
        put(pieces + (i64)task.slot * g.columns + column, toState);
    }
    else
    {
        const i64 place = (i64)task.entity * g.columns + column;
        add_through(toState, through, place);
        store(toStates + place, toState);
    }
}

// What several blocks added up of an entity: pieces [slots, columns]. Grid: such entities, spans of columns; a warp each.
extern "C" __global__ void __launch_bounds__(32)
path_backward_join(const float* __restrict__ pieces, const int4* __restrict__ joined, const u16* __restrict__ through, u16* __restrict__ toStates, Graph g)
{
    const int column = blockIdx.y * SPAN + (threadIdx.x & 31) * 8;
    const int4 task = joined[blockIdx.x];
    if (column >= g.columns)
    {
        return;
    }
    Eight sum = filled(0);
    for (int slot = task.y; slot <= task.z; slot++)
    {
        const Eight piece = take_back(pieces + (i64)slot * g.columns + column);
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            sum.of[i] += piece.of[i];
        }
    }
    const i64 place = (i64)task.x * g.columns + column;
    add_through(sum, through, place);
    store(toStates + place, sum);
}

// A layer's change of the states. A row is an entity's state for one query, rows in the order entity, query; size / 8 threads take one, a power of two up to 32.
struct Update
{
    const float* scales;   // [entities]
    const float* inverses; // [entities]
    const float* weight;   // of the norm: [size]
    const float* bias;
    const i64* seed;       // of the dropout
    i64 rows;
    int queries, size;
    unsigned dropped;      // of 65,536
};

// The sum over the threads of a row, or with from = size / 8 and to = 32 over the rows of a warp.
__device__ __forceinline__ float sum_of(float x, int from, int to)
{
    for (int step = to / 2; step >= from; step /= 2)
    {
        x += __shfl_xor_sync(ALL, x, step);
    }
    return x;
}

// What dropout multiplies eight numbers by; the same again for the gradient.
__device__ __forceinline__ Eight kept(const Update& u, i64 thread)
{
    Eight by = filled(1);
    if (u.dropped == 0)
    {
        return by;
    }
    const float factor = 65536.0f / (65536 - u.dropped);
#pragma unroll
    for (int half = 0; half < 2; half++)
    {
        // SplitMix64 (Steele et al. 2014).
        unsigned long long x = *u.seed + (2 * thread + half + 1) * 0x9e3779b97f4a7c15ull;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ x >> 27) * 0x94d049bb133111ebull;
        x ^= x >> 31;
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            by.of[4 * half + i] = (unsigned)(x >> 16 * i & 0xffff) < u.dropped ? 0 : factor;
        }
    }
    return by;
}

// Grid: threads for eight numbers each. next = states + dropout(relu(norm(own + p0 + scale * p1 + p2 / scale))), p the parts [rows, 3 size] and all others [rows, size].
// For the gradient: normal, what the norm makes before its weight and bias, and roots [rows], what it multiplied by; or null.
extern "C" __global__ void __launch_bounds__(256)
path_update(const u16* __restrict__ own, const u16* __restrict__ parts, const u16* __restrict__ states, u16* __restrict__ next, u16* __restrict__ normal,
    float* __restrict__ roots, Update u)
{
    const int threads = u.size / 8;
    const i64 thread = (i64)blockIdx.x * 256 + threadIdx.x;
    const bool live = thread < u.rows * threads;
    const i64 row = live ? thread / threads : 0;
    const int column = (int)(thread % threads) * 8;
    const int entity = (int)(row / u.queries);
    const float scale = u.scales[entity], inverse = u.inverses[entity];
    const u16* part = parts + row * 3 * u.size + column;
    const uint4 x0 = load(own + row * u.size + column), x1 = load(part), x2 = load(part + u.size), x3 = load(part + 2 * u.size);
    const uint4 before = load(states + row * u.size + column);
    Eight x;
    float sum = 0, square = 0;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        x.of[i] = number(x0, i) + number(x1, i) + scale * number(x2, i) + inverse * number(x3, i);
        sum += x.of[i];
    }
    const float mean = sum_of(sum, 1, threads) / u.size;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        x.of[i] -= mean;
        square += x.of[i] * x.of[i];
    }
    const float root = rsqrtf(sum_of(square, 1, threads) / u.size + 1e-5f);
    const Eight by = kept(u, thread);
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        x.of[i] *= root;
    }
    // Of the numbers that the gradient will see: it has to find the same ones above zero.
    const uint4 rounded = packed(x);
    Eight after;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        const float y = fmaf(number(rounded, i), u.weight[column + i], u.bias[column + i]);
        after.of[i] = number(before, i) + by.of[i] * (y <= 0 ? 0 : y); // what is no number stays none
    }
    if (live)
    {
        store(next + row * u.size + column, after);
        if (normal != 0)
        {
            *(uint4*)(normal + row * u.size + column) = rounded;
            if (column == 0)
            {
                roots[row] = root;
            }
        }
    }
}

// Grid: any number of blocks. The gradients of own and parts, and, added in no fixed order, those of the norm's weight and bias and of what is added to own in every row:
// toVectors [3, size].
extern "C" __global__ void __launch_bounds__(256)
path_update_gradient(const u16* __restrict__ gradient, const u16* __restrict__ normal, const float* __restrict__ roots, u16* __restrict__ toOwn,
    u16* __restrict__ toParts, float* __restrict__ toVectors, Update u)
{
    __shared__ float sums[3][256];
    sums[0][threadIdx.x] = sums[1][threadIdx.x] = sums[2][threadIdx.x] = 0;
    __syncthreads();
    const int threads = u.size / 8, column = (int)(threadIdx.x % threads) * 8;
    const i64 all = u.rows * threads;
    Eight toWeight = filled(0), toBias = filled(0), toAll = filled(0);
    for (i64 thread = (i64)blockIdx.x * 256 + threadIdx.x; thread - (threadIdx.x & 31) < all; thread += (i64)gridDim.x * 256)
    {
        const bool live = thread < all;
        const i64 row = live ? thread / threads : 0;
        const uint4 y = load(normal + row * u.size + column), g = load(gradient + row * u.size + column);
        const Eight by = kept(u, thread);
        Eight x;
        float sum = 0, product = 0;
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            const float weight = u.weight[column + i], from = number(y, i);
            const float d = live && fmaf(from, weight, u.bias[column + i]) > 0 ? number(g, i) * by.of[i] : 0;
            toWeight.of[i] += d * from;
            toBias.of[i] += d;
            x.of[i] = d * weight;
            sum += x.of[i];
            product += x.of[i] * from;
        }
        sum = sum_of(sum, 1, threads) / u.size;
        product = sum_of(product, 1, threads) / u.size;
        const int entity = (int)(row / u.queries);
        const float root = roots[row], scale = u.scales[entity], inverse = u.inverses[entity];
        Eight scaled, divided;
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            x.of[i] = root * (x.of[i] - sum - number(y, i) * product);
            scaled.of[i] = scale * x.of[i];
            divided.of[i] = inverse * x.of[i];
            toAll.of[i] += live ? x.of[i] : 0;
        }
        if (live)
        {
            u16* part = toParts + row * 3 * u.size + column;
            store(toOwn + row * u.size + column, x);
            store(part, x);
            store(part + u.size, scaled);
            store(part + 2 * u.size, divided);
        }
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        const float weight = sum_of(toWeight.of[i], threads, 32), bias = sum_of(toBias.of[i], threads, 32), all = sum_of(toAll.of[i], threads, 32);
        if ((threadIdx.x & 31) < threads)
        {
            atomicAdd(&sums[0][column + i], weight);
            atomicAdd(&sums[1][column + i], bias);
            atomicAdd(&sums[2][column + i], all);
        }
    }
    __syncthreads();
    if (threadIdx.x < u.size)
    {
#pragma unroll
        for (int i = 0; i < 3; i++)
        {
            atomicAdd(toVectors + i * u.size + threadIdx.x, sums[i][threadIdx.x]);
        }
    }
}
