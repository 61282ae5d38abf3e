// The gradient of what the messages to each entity amount to. After path_prelude.cu.

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
