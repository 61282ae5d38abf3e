// Selection: mean query and mean anchor of every block of rows, then one bit for each group and key, then the list of every group.

// Grid: blocks of all sequences (one group's after another's), heads. The threshold is what the mean query's product with a key must reach.
extern "C" __global__ void __launch_bounds__(128)
block_means(const u16* __restrict__ q, const float* __restrict__ maxima, u16* __restrict__ meanQueries, float* __restrict__ thresholds,
    const Group* __restrict__ groups, Shape p)
{
    __shared__ float parts[128 / CHUNKS][D];
    __shared__ float anchors[4];
    const Group g = groups[blockIdx.x / p.step];
    const int rowOfGroup = (blockIdx.x % p.step) * p.block, first = g.start + rowOfGroup, head = blockIdx.y;
    const int end = min2(min2(g.length, g.start + p.groupRows), first + p.block);
    if (first >= end)
    {
        return;
    }
    const int c = threadIdx.x % CHUNKS, lane = threadIdx.x & 31;
    const u16* from = q + g.base + head * p.headStride + c * 8;
    float sum[8] = {};
#pragma unroll 4
    for (int row = first + threadIdx.x / CHUNKS; row < end; row += 128 / CHUNKS)
    {
        const uint4 x = *(const uint4*)(from + row * p.rowStride);
        sum[0] += low_of(x.x), sum[1] += high_of(x.x), sum[2] += low_of(x.y), sum[3] += high_of(x.y);
        sum[4] += low_of(x.z), sum[5] += high_of(x.z), sum[6] += low_of(x.w), sum[7] += high_of(x.w);
    }
    float anchor = 0;
    for (int row = first + threadIdx.x; row < end; row += 128)
    {
        anchor += maxima[(long long)head * p.rows + g.row0 + row];
    }
#pragma unroll
    for (int step = 16; step > 0; step /= 2)
    {
        anchor += __shfl_xor_sync(ALL, anchor, step);
    }
    if (lane == 0)
    {
        anchors[threadIdx.x >> 5] = anchor;
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        parts[threadIdx.x / CHUNKS][c * 8 + i] = sum[i];
    }
    __syncthreads();
    const long long block = (long long)head * p.blocks + g.block0 + first / p.block;
    const float share = 1.0f / (end - first);
    if (threadIdx.x < D / 2)
    {
        float low = 0, high = 0;
        for (int i = 0; i < 128 / CHUNKS; i++)
        {
            low += parts[i][threadIdx.x * 2], high += parts[i][threadIdx.x * 2 + 1];
        }
        ((u32*)meanQueries)[block * (D / 2) + threadIdx.x] = pack(low * share, high * share);
    }
    if (threadIdx.x == 0)
    {
        thresholds[block] = threshold_of((anchors[0] + anchors[1] + anchors[2] + anchors[3]) * share, p);
    }
}

#if HOPPER && D == 128
#define SELECT_KEYS 64    // keys of a tile
#else
#define SELECT_KEYS 128
#endif
#define SELECT_CHUNK 1024 // most keys of a thread block

// A tile of mean queries: they belong to one sequence.
struct Strip
{
    int group; // the sequence's first group
    int block; // the first mean query's number in the sequence
};

// Blocks: mean queries of a tile. (128 gain 2 % from 65,536 tokens on and lose below.)
template <int Blocks> struct SelectShared
{
    uint4 q[Blocks * CHUNKS];
    uint4 k[2][SELECT_KEYS * CHUNKS];
    u32 bits[Blocks][SELECT_CHUNK / 32];
    float thresholds[Blocks];
    Bounds bounds[Blocks]; // of the tile's groups
    long long masks[Blocks];
};

// The lower `count` bits.
__device__ __forceinline__ u32 below(int count) { return count <= 0 ? 0 : count >= 32 ? ALL : (1u << count) - 1; }

// Each group's bit for each key of the chunk is written; those of keys that are no candidates are 0. mma.sync: each warp has 32 mean queries and 64 keys of a
// tile. wgmma: four warps have 64 mean queries and all keys of a tile, other blocks of threads fill the time of a wait.
template <int Blocks> __device__ __forceinline__ void select_keys(SelectShared<Blocks>& s, const u16* __restrict__ meanQueries, const float* __restrict__ thresholds,
    const u16* __restrict__ k, u32* __restrict__ masks, const Strip* __restrict__ strips, int blocksOfStrip, int chunk, int chunks,
    const Group* __restrict__ groups, const Shape& p)
{
    const int Threads = Blocks * 2;
    const Strip strip = strips[blockIdx.x / chunks];
    const Group g = groups[strip.group];
    const int length = g.length, firstKey = blockIdx.x % chunks * chunk, head = blockIdx.y;
    const int allBlocks = (length + p.block - 1) / p.block, blocks = min2(blocksOfStrip, allBlocks - strip.block);
    const int firstGroup = strip.block / p.step, owned = (blocks + p.step - 1) / p.step;
    int endKey = min2(length, firstKey + chunk);
#if CAUSAL
    endKey = min2(endKey, (firstGroup + owned) * p.groupRows);
#endif
    if (firstKey >= endKey)
    {
        return;
    }
    const u16* keys = k + g.base + head * p.headStride;
    const long long block0 = (long long)head * p.blocks + g.block0 + strip.block;
    load_rows<Blocks, Threads>(shared_address(s.q), meanQueries + block0 * D, D, 0, blocks);
    load_rows<SELECT_KEYS, Threads>(shared_address(s.k[0]), keys, p.rowStride, firstKey, endKey);
    copy_commit();
    for (int i = threadIdx.x; i < Blocks * (SELECT_CHUNK / 32); i += Threads)
    {
        (&s.bits[0][0])[i] = 0;
    }
    if (threadIdx.x < Blocks)
    {
        s.thresholds[threadIdx.x] = threadIdx.x < blocks ? thresholds[block0 + threadIdx.x] : 0;
    }
    if (threadIdx.x < owned)
    {
        const Group each = groups[strip.group + firstGroup + threadIdx.x];
        s.bounds[threadIdx.x] = bounds_of(each, p);
        s.masks[threadIdx.x] = each.mask;
    }
    copy_wait<0>();
    __syncthreads();

#if HOPPER
    const int Rows = 1, Keys = SELECT_KEYS, warpBlock = (threadIdx.x >> 5) * 16, warpKey = 0;
#else
    const int Rows = 2, Keys = 64, warpBlock = (threadIdx.x >> 5) % (Blocks / 32) * 32, warpKey = (threadIdx.x >> 5) / (Blocks / 32) * 64;
#endif
    const int lane = threadIdx.x & 31;
#if !HOPPER
    u32 a[Rows][KSTEPS][4];
#endif
    float threshold[Rows][2];
    int group[Rows][2];
#pragma unroll
    for (int mt = 0; mt < Rows; mt++)
    {
#if !HOPPER
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
        {
            fragment_a<Blocks>(a[mt][ks], shared_address(s.q), warpBlock + mt * 16, ks);
        }
#endif
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const int row = warpBlock + mt * 16 + h * 8 + (lane >> 2);
            threshold[mt][h] = s.thresholds[row];
            group[mt][h] = row < blocks ? row / p.step : -1;
        }
    }

    auto load = [&](int at, int buffer) {
        if (at < endKey)
        {
            load_rows<SELECT_KEYS, Threads>(shared_address(s.k[buffer]), keys, p.rowStride, at, endKey);
        }
        copy_commit();
    };
    auto mark = [&](const float (&c)[Rows][Keys / 8][4], int at) {
#pragma unroll
        for (int mt = 0; mt < Rows; mt++)
#pragma unroll
            for (int h = 0; h < 2; h++)
#pragma unroll
                for (int w = 0; w < Keys / 32; w++)
                {
                    u32 word = 0;
#pragma unroll
                    for (int nt = 0; nt < 4; nt++)
#pragma unroll
                        for (int e = 0; e < 2; e++)
                        {
                            // Not "at least": what is not a number is taken, and shows in the output as it does in dense attention.
                            word |= !(c[mt][w * 4 + nt][h * 2 + e] < threshold[mt][h]) ? 1u << (nt * 8 + e) : 0;
                        }
                    if (word != 0 && group[mt][h] >= 0)
                    {
                        atomicOr(&s.bits[group[mt][h]][(at - firstKey + warpKey) / 32 + w], word << ((lane & 3) * 2));
                    }
                }
    };
#if HOPPER
    auto begin = [&](float (&c)[Rows][Keys / 8][4], int buffer) {
        products_begin();
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
#pragma unroll
            for (int part = 0; part < Keys / 64; part++)
            {
                multiply_tiles(&c[0][part * 8], descriptor(shared_address(s.q) + (ks >> 2) * Blocks * 128 + (threadIdx.x >> 7) * 64 * 128 + (ks & 3) * 32),
                    descriptor(shared_address(s.k[buffer]) + (ks >> 2) * Keys * 128 + part * 64 * 128 + (ks & 3) * 32), ks > 0);
            }
        products_commit();
    };
    for (int at = firstKey, buffer = 0; at < endKey; at += SELECT_KEYS, buffer ^= 1)
    {
        copy_wait<0>();
        show_to_products();
        __syncthreads();
        float c[Rows][Keys / 8][4];
        begin(c, buffer);
        load(at + SELECT_KEYS, buffer ^ 1);
        products_wait<0>();
        hold(c[0]);
        mark(c, at);
    }
    __syncthreads();
#else
    for (int at = firstKey, buffer = 0; at < endKey; at += SELECT_KEYS, buffer ^= 1)
    {
        load(at + SELECT_KEYS, buffer ^ 1);
        const u32 tile = shared_address(s.k[buffer]);
        float c[Rows][Keys / 8][4] = {};
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
#pragma unroll
            for (int nt = 0; nt < Keys / 16; nt++)
            {
                u32 b[4];
                fragment_b<SELECT_KEYS>(b, tile, warpKey + nt * 16, ks);
#pragma unroll
                for (int mt = 0; mt < Rows; mt++)
                {
                    multiply(c[mt][nt * 2], a[mt][ks], b[0], b[1]);
                    multiply(c[mt][nt * 2 + 1], a[mt][ks], b[2], b[3]);
                }
            }
        mark(c, at);
        copy_wait<0>();
        __syncthreads();
    }
#endif

    // Words of 32 keys: only candidates of the group stay.
    const int words = (endKey - firstKey + 127) / 128 * 4;
    for (int i = threadIdx.x; i < owned * words; i += Threads)
    {
        const int own = i / words, word = i % words;
        const Bounds b = s.bounds[own];
        const int key = firstKey + word * 32;
        u32 bits = s.bits[own][word];
        bits &= ~below(b.initEnd - key);                             // the first keys
        bits &= below(b.localStart - key) | ~below(b.localEnd - key); // the window
        bits &= below(b.candidateEnd - key);
        masks[head * p.words + s.masks[own] + key / 32] = bits;
    }
}

// Grid: strips times chunks of keys, heads. Strips begin where a group begins.
#define SELECT(Blocks) \
    extern "C" __global__ void __launch_bounds__(Blocks * 2, HOPPER ? 256 / Blocks : 1) select_stripes_##Blocks(const u16* __restrict__ meanQueries, const float* __restrict__ thresholds, \
        const u16* __restrict__ k, u32* __restrict__ masks, const Strip* __restrict__ strips, int blocksOfStrip, int chunk, int chunks, \
        const Group* __restrict__ groups, Shape p) \
    { \
        extern __shared__ __align__(1024) uint4 memory[]; \
        select_keys<Blocks>(*(SelectShared<Blocks>*)memory, meanQueries, thresholds, k, masks, strips, blocksOfStrip, chunk, chunks, groups, p); \
    }
SELECT(64)

// The list of every group and head: counted, then given a place in the pool, then written in order. Grid: groups, heads. used: how much of the pool has
// been given away, 0 at first; a list that finds no room is left to the mask.
extern "C" __global__ void __launch_bounds__(128) list_stripes(const u32* __restrict__ masks, Listed* __restrict__ lists, int* __restrict__ pool, int* used, int capacity,
    const Group* __restrict__ groups, Shape p)
{
    __shared__ int totals[4];
    __shared__ int place;
    const Group g = groups[blockIdx.x];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, quads = (candidates_end(bounds_of(g, p)) + 127) / 128;
    const uint4* words = (const uint4*)(masks + blockIdx.y * p.words + g.mask);
    const int share = (quads + 127) / 128, first = threadIdx.x * share, end = min2(quads, first + share); // each thread's own keys follow each other
    int own = 0;
    for (int i = first; i < end; i++)
    {
        const uint4 w = words[i];
        own += __popc(w.x) + __popc(w.y) + __popc(w.z) + __popc(w.w);
    }
    int rank = sum_up_to(own);
    if (lane == 31)
    {
        totals[warp] = rank;
    }
    __syncthreads();
    const int all = totals[0] + totals[1] + totals[2] + totals[3];
    if (threadIdx.x == 0)
    {
        int start = all == 0 ? 0 : atomicAdd(used, all);
        start = start > capacity - all || start < 0 ? -1 : start;
        place = start;
        Listed listed = {start, all};
        lists[blockIdx.y * gridDim.x + blockIdx.x] = listed;
    }
    __syncthreads();
    if (place < 0 || own == 0)
    {
        return;
    }
    rank -= own;
    for (int i = 0; i < warp; i++)
    {
        rank += totals[i];
    }
    int* to = pool + place + rank;
    for (int i = first; i < end; i++)
    {
        const uint4 w = words[i];
        const u32 parts[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
        for (int j = 0; j < 4; j++)
        {
            for (u32 word = parts[j]; word != 0; word &= word - 1)
            {
                *to++ = i * 128 + j * 32 + __ffs(word) - 1;
            }
        }
    }
}
