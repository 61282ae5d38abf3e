// What the kernels of paths share. NVRTC compiles path_prelude.cu, path_forward.cu, path_backward.cu and path_update.cu as one source without any header; the host's side is
// Moodle/Models/Paths/PathKernels.cs and PathUpdate.cs, and PathOperations.cs says the same out of libtorch's operations.
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
