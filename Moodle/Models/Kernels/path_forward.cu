// What the messages along a graph's edges to each entity amount to. After path_prelude.cu.

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
