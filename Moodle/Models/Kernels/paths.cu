// What the messages along a graph's edges to each entity amount to, and the gradient. NVRTC compiles this file without any header; the host's side is
// Moodle/Models/Paths/PathKernels.cs, and PathOperations.cs says the same out of libtorch's operations.
//
// Columns are all numbers of an entity's state: [queries, d], d a multiple of 8. A warp takes 256 of them, 8 a thread, and all edges of one entity; blocks are
// started column by column, so that what the warps read at a time (the rows of all entities, cut to 256 columns) stays in the L2 cache. The edges of a hub are
// shared out over the warps of a block. Hubs come first.
typedef long long i64;
typedef unsigned short u16;

#define WARPS 8
#define SPAN 256 // columns of a warp
#define ALL ~0u
#define NO_EDGE 0xffff
#define SOME_EDGE 0xfffe // one of those that brought a zero which takes no gradient
#define INFINITE __int_as_float(0x7f800000)

struct Graph
{
    const int* offsets;          // [entities + 1]
    const int4* edges;           // other end, relation, position among the target's edges, unit
    const int* order;            // [entities], hubs first
    const unsigned char* hidden; // [units], 1 where hidden, or null
    const i64* heads;            // [queries]
    int entities, hubs, columns, size;
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

// What a warp works at.
struct Task
{
    int entity, first, end;
    bool shared; // by all warps of the block
};

// entity is -1 where nothing is left; never in a block that shares.
__device__ __forceinline__ Task task_of(const Graph& g)
{
    const int warp = threadIdx.x >> 5, block = blockIdx.x;
    Task t;
    t.shared = block < g.hubs;
    const int index = t.shared ? block : g.hubs + (block - g.hubs) * WARPS + warp;
    if (index >= g.entities)
    {
        t.entity = -1;
        return t;
    }
    t.entity = g.order[index];
    t.first = g.offsets[t.entity];
    t.end = g.offsets[t.entity + 1];
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

// Takes the first of the edges: its lane, or -1 where none is left.
__device__ __forceinline__ int next(unsigned& edges)
{
    const int lane = __ffs(edges) - 1;
    edges &= edges - 1;
    return lane;
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

// What the messages to an entity come to so far.
struct Sums
{
    Eight sum, square, high, low;
    unsigned atHigh[8], atLow[8];
};

__device__ __forceinline__ void join(Sums& to, int i, float sum, float square, float high, unsigned atHigh, float low, unsigned atLow)
{
    to.sum.of[i] += sum;
    to.square.of[i] += square;
    // The first of equals stays.
    if (high > to.high.of[i])
    {
        to.high.of[i] = high;
        to.atHigh[i] = atHigh;
    }
    if (low < to.low.of[i])
    {
        to.low.of[i] = low;
        to.atLow[i] = atLow;
    }
}

// Grid: blocks of entities, spans of columns. states [entities, columns], relations [2|R|, columns], queries [columns], output [entities, queries, 4 size]: mean,
// maximum, minimum, standard deviation; highest and lowest [entities, columns]: positions of edges, or NO_EDGE; counts [entities]. g.edges are by target.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
path_forward(const u16* __restrict__ states, const u16* __restrict__ relations, const u16* __restrict__ queries, u16* __restrict__ output,
    u16* __restrict__ highest, u16* __restrict__ lowest, float* __restrict__ counts, Graph g)
{
    __shared__ float parts[4][8][32];
    __shared__ unsigned positions[2][8][32];
    __shared__ int seenByOthers, silentOfOthers;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, column = blockIdx.y * SPAN + lane * 8;
    const bool active = column < g.columns;
    const Task task = task_of(g);
    if (task.entity < 0)
    {
        return;
    }
    Sums all;
    all.sum = all.square = filled(0);
    all.high = filled(-INFINITE);
    all.low = filled(INFINITE);
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        all.atHigh[i] = all.atLow[i] = NO_EDGE;
    }
    int seen = 0, silent = 0, last = -1;
    const int head = g.atHeads ? head_of(g, column) : -1;
    uint4 weight = make_uint4(0, 0, 0, 0); // of relation last
    for (int base = task.first; base < task.end; base += 32)
    {
        int4 edge;
        unsigned edges = visible(g, base, task.end, edge);
        seen += __popc(edges);
        if (g.atHeads)
        {
            const unsigned all = edges;
            edges &= __ballot_sync(ALL, asks(edge.x, head, g.size));
            silent += __popc(all & ~edges);
        }
        while (edges != 0)
        {
            // Four at a time, for their rows to be fetched together. Edges of one relation follow each other.
            uint4 h[4], w[4];
            int position[4];
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                const int from = next(edges), source = __shfl_sync(ALL, edge.x, from & 31), relation = __shfl_sync(ALL, edge.y, from & 31);
                const int place = __shfl_sync(ALL, edge.z, from & 31);
                position[e] = from < 0 ? -1 : place;
                h[e] = make_uint4(0, 0, 0, 0);
                if (from >= 0 && active)
                {
                    h[e] = load(states + (i64)source * g.columns + column);
                    if (relation != last)
                    {
                        weight = load(relations + (i64)relation * g.columns + column);
                        last = relation;
                    }
                }
                w[e] = weight;
            }
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                if (position[e] >= 0)
                {
#pragma unroll
                    for (int i = 0; i < 8; i++)
                    {
                        const float m = number(h[e], i) * number(w[e], i);
                        join(all, i, m, m * m, m, position[e], m, position[e]);
                    }
                }
            }
        }
    }
    if (task.shared)
    {
        if (threadIdx.x == 0)
        {
            seenByOthers = silentOfOthers = 0;
        }
        // One after the other, in the order of the edges.
        for (int other = 1; other < WARPS; other++)
        {
            __syncthreads();
            if (warp == other)
            {
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    parts[0][i][lane] = all.sum.of[i];
                    parts[1][i][lane] = all.square.of[i];
                    parts[2][i][lane] = all.high.of[i];
                    parts[3][i][lane] = all.low.of[i];
                    positions[0][i][lane] = all.atHigh[i];
                    positions[1][i][lane] = all.atLow[i];
                }
                if (lane == 0)
                {
                    seenByOthers += seen;
                    silentOfOthers += silent;
                }
            }
            __syncthreads();
            if (warp == 0)
            {
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    join(all, i, parts[0][i][lane], parts[1][i][lane], parts[2][i][lane], positions[0][i][lane], parts[3][i][lane], positions[1][i][lane]);
                }
            }
        }
        if (warp != 0)
        {
            return;
        }
        seen += seenByOthers;
        silent += silentOfOthers;
    }
    if (silent > 0)
    {
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            join(all, i, 0, 0, 0, SOME_EDGE, 0, SOME_EDGE);
        }
    }
    const float count = seen + 1, share = 1 / count;
    if (lane == 0 && blockIdx.y == 0)
    {
        counts[task.entity] = count;
    }
    if (!active)
    {
        return;
    }
    const int query = column / g.size;
    const bool isHead = g.heads[query] == task.entity;
    const uint4 asked = isHead ? load(queries + column) : make_uint4(0, 0, 0, 0);
    Eight mean, deviation;
    unsigned atHigh[4] = {0, 0, 0, 0}, atLow[4] = {0, 0, 0, 0};
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        const float own = number(asked, i);
        mean.of[i] = (all.sum.of[i] + own) * share;
        deviation.of[i] = sqrtf(fmaxf((all.square.of[i] + own * own) * share - mean.of[i] * mean.of[i], 0) + 1e-6f);
        const bool higher = all.high.of[i] > own, lower = all.low.of[i] < own;
        all.high.of[i] = higher ? all.high.of[i] : own;
        all.low.of[i] = lower ? all.low.of[i] : own;
        atHigh[i / 2] |= (higher ? all.atHigh[i] : NO_EDGE) << (i & 1) * 16;
        atLow[i / 2] |= (lower ? all.atLow[i] : NO_EDGE) << (i & 1) * 16;
    }
    u16* row = output + ((i64)task.entity * g.columns + query * g.size) * 4 + column % g.size;
    store(row, mean);
    store(row + g.size, all.high);
    store(row + 2 * g.size, all.low);
    store(row + 3 * g.size, deviation);
    const i64 place = (i64)task.entity * g.columns + column;
    *(uint4*)(highest + place) = make_uint4(atHigh[0], atHigh[1], atHigh[2], atHigh[3]);
    *(uint4*)(lowest + place) = make_uint4(atLow[0], atLow[1], atLow[2], atLow[3]);
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

// Grid: blocks of entities, spans of columns. marks [edges by target, columns / 8]: which of eight columns have their maximum (the low eight bits) or minimum from the
// edge, two bytes where path_backward would have to read 32 of positions.
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
    const int first = g.offsets[task.entity];
    u16* to = marks + (i64)task.first * (g.columns / 8) + column / 8;
    for (int position = task.first - first; position < task.end - first; position++)
    {
        unsigned mark = 0;
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            mark |= half_word(atHigh, i) == (unsigned)position ? 1u << i : 0;
            mark |= half_word(atLow, i) == (unsigned)position ? 256u << i : 0;
        }
        *to = (u16)mark;
        to += g.columns / 8;
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

// Grid: blocks of entities, spans of columns. g.edges are by source and, within it, by relation: all messages from an entity along one relation are the same, so that
// their gradients are summed before they are multiplied, and added once to toRelations [2|R|, columns], in no fixed order. toStates [entities, columns].
extern "C" __global__ void __launch_bounds__(32 * WARPS, 2)
path_backward(const u16* __restrict__ gradient, const u16* __restrict__ states, const u16* __restrict__ relations, const u16* __restrict__ levels,
    const u16* __restrict__ slopes, const u16* __restrict__ marks, u16* __restrict__ toStates, float* __restrict__ toRelations, Graph g)
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
    for (int base = task.first; base < task.end; base += 32)
    {
        int4 edge;
        unsigned edges = visible(g, base, task.end, edge);
        while (edges != 0)
        {
            uint4 w[4], level[4], slope[4];
            unsigned mark[4];
            int about[4], target[4];
            int last = relation;
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                const int at = next(edges), which = __shfl_sync(ALL, edge.y, at & 31), index = __shfl_sync(ALL, edge.z, at & 31);
                target[e] = __shfl_sync(ALL, edge.x, at & 31);
                about[e] = at < 0 ? -1 : which;
                w[e] = level[e] = slope[e] = make_uint4(0, 0, 0, 0);
                mark[e] = 0;
                if (at >= 0 && active)
                {
                    const i64 place = (i64)target[e] * g.columns + column;
                    level[e] = load(levels + place);
                    slope[e] = load(slopes + place);
                    mark[e] = marks[(i64)index * (g.columns / 8) + column / 8];
                    if (which != last)
                    {
                        w[e] = load(relations + (i64)which * g.columns + column);
                    }
                }
                last = at < 0 ? last : which;
            }
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                if (about[e] < 0)
                {
                    continue;
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
                    toMessages.of[i] += fmaf(number(slope[e], i), message.of[i], number(level[e], i));
                }
                // Few edges bring an extreme to eight columns.
                if (mark[e] != 0)
                {
                    const u16* row = gradient + (i64)target[e] * g.columns * 4 + extremes;
                    const uint4 toHigh = load(row), toLow = load(row + g.size);
#pragma unroll
                    for (int i = 0; i < 8; i++)
                    {
                        toMessages.of[i] += (mark[e] >> i & 1 ? number(toHigh, i) : 0) + (mark[e] >> i & 256 ? number(toLow, i) : 0);
                    }
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
    if (active)
    {
        store(toStates + (i64)task.entity * g.columns + column, toState);
    }
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

// Grid: any number of blocks. The gradients of own and parts, and, added in no fixed order, those of the norm's weight and bias: toNorm [2, size].
extern "C" __global__ void __launch_bounds__(256)
path_update_gradient(const u16* __restrict__ gradient, const u16* __restrict__ normal, const float* __restrict__ roots, u16* __restrict__ toOwn,
    u16* __restrict__ toParts, float* __restrict__ toNorm, Update u)
{
    __shared__ float sums[2][256];
    sums[0][threadIdx.x] = sums[1][threadIdx.x] = 0;
    __syncthreads();
    const int threads = u.size / 8, column = (int)(threadIdx.x % threads) * 8;
    const i64 all = u.rows * threads;
    Eight toWeight = filled(0), toBias = filled(0);
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
        const float weight = sum_of(toWeight.of[i], threads, 32), bias = sum_of(toBias.of[i], threads, 32);
        if ((threadIdx.x & 31) < threads)
        {
            atomicAdd(&sums[0][column + i], weight);
            atomicAdd(&sums[1][column + i], bias);
        }
    }
    __syncthreads();
    if (threadIdx.x < u.size)
    {
        atomicAdd(toNorm + threadIdx.x, sums[0][threadIdx.x]);
        atomicAdd(toNorm + u.size + threadIdx.x, sums[1][threadIdx.x]);
    }
}
