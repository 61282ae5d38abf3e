// Selection: mean query and mean anchor of every block of rows, then one bit for each group and key.

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
        thresholds[block] = ((anchors[0] + anchors[1] + anchors[2] + anchors[3]) * share - p.theta * LOG2E) / SCALE2;
    }
}

#define SELECT_BLOCKS 64   // mean queries of a tile
#define SELECT_KEYS 128    // keys of a tile
#define SELECT_CHUNK 1024  // most keys of a thread block
#define SELECT_THREADS 128 // 2 x 2 warps, each of 32 mean queries and 64 keys

// A tile of mean queries: they belong to one sequence.
struct Strip
{
    int group; // the sequence's first group
    int block; // the first mean query's number in the sequence
};

struct SelectShared
{
    uint4 q[SELECT_BLOCKS * CHUNKS];
    uint4 k[2][SELECT_KEYS * CHUNKS];
    u32 bits[SELECT_BLOCKS][SELECT_CHUNK / 32];
    float thresholds[SELECT_BLOCKS];
};

// The lower `count` bits.
__device__ __forceinline__ u32 below(int count) { return count <= 0 ? 0 : count >= 32 ? ALL : (1u << count) - 1; }

// Grid: strips times chunks of keys, heads. Each group's bit for each key of the chunk is written; those of keys that are no candidates are 0. Strips begin
// where a group begins.
extern "C" __global__ void __launch_bounds__(SELECT_THREADS)
select_stripes(const u16* __restrict__ meanQueries, const float* __restrict__ thresholds, const u16* __restrict__ k, u32* __restrict__ masks,
    const Strip* __restrict__ strips, int blocksOfStrip, int chunk, int chunks,
    const Group* __restrict__ groups, Shape p)
{
    extern __shared__ uint4 memory[];
    SelectShared& s = *(SelectShared*)memory;
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
    load_rows<SELECT_BLOCKS, SELECT_THREADS>(shared_address(s.q), meanQueries + block0 * D, D, 0, blocks);
    load_rows<SELECT_KEYS, SELECT_THREADS>(shared_address(s.k[0]), keys, p.rowStride, firstKey, endKey);
    copy_commit();
    for (int i = threadIdx.x; i < SELECT_BLOCKS * (SELECT_CHUNK / 32); i += SELECT_THREADS)
    {
        (&s.bits[0][0])[i] = 0;
    }
    if (threadIdx.x < SELECT_BLOCKS)
    {
        s.thresholds[threadIdx.x] = threadIdx.x < blocks ? thresholds[block0 + threadIdx.x] : 0;
    }
    copy_wait<0>();
    __syncthreads();

    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warpBlock = (warp & 1) * 32, warpKey = (warp >> 1) * 64;
    u32 a[2][KSTEPS][4];
    float threshold[2][2];
    int group[2][2];
#pragma unroll
    for (int mt = 0; mt < 2; mt++)
    {
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
        {
            fragment_a(a[mt][ks], shared_address(s.q), warpBlock + mt * 16, ks);
        }
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const int row = warpBlock + mt * 16 + h * 8 + (lane >> 2);
            threshold[mt][h] = s.thresholds[row];
            group[mt][h] = row < blocks ? row / p.step : -1;
        }
    }

    for (int at = firstKey, buffer = 0; at < endKey; at += SELECT_KEYS, buffer ^= 1)
    {
        if (at + SELECT_KEYS < endKey)
        {
            load_rows<SELECT_KEYS, SELECT_THREADS>(shared_address(s.k[buffer ^ 1]), keys, p.rowStride, at + SELECT_KEYS, endKey);
        }
        copy_commit();
        const u32 tile = shared_address(s.k[buffer]);
        float c[2][8][4] = {};
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
#pragma unroll
            for (int nt = 0; nt < 4; nt++)
            {
                u32 b[4];
                fragment_b(b, tile, warpKey + nt * 16, ks);
#pragma unroll
                for (int mt = 0; mt < 2; mt++)
                {
                    multiply(c[mt][nt * 2], a[mt][ks], b[0], b[1]);
                    multiply(c[mt][nt * 2 + 1], a[mt][ks], b[2], b[3]);
                }
            }
#pragma unroll
        for (int mt = 0; mt < 2; mt++)
#pragma unroll
            for (int h = 0; h < 2; h++)
#pragma unroll
                for (int w = 0; w < 2; w++)
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
        copy_wait<0>();
        __syncthreads();
    }

    // Words of 32 keys: only candidates of the group stay.
    const int words = (endKey - firstKey + 127) / 128 * 4;
    for (int i = threadIdx.x; i < owned * words; i += SELECT_THREADS)
    {
        const int own = i / words, word = i % words;
        Group each = groups[strip.group + firstGroup + own];
        const Bounds b = bounds_of(each, p);
        const int key = firstKey + word * 32;
        u32 bits = s.bits[own][word];
        bits &= ~below(b.initEnd - key);                             // the first keys
        bits &= below(b.localStart - key) | ~below(b.localEnd - key); // the window
        bits &= below(b.candidateEnd - key);
        masks[head * p.words + each.mask + key / 32] = bits;
    }
}

// The number of stripes of every group and head. Grid: groups, heads.
extern "C" __global__ void __launch_bounds__(128) count_stripes(const u32* __restrict__ masks, int* __restrict__ counts, const Group* __restrict__ groups, Shape p)
{
    __shared__ int parts[4];
    const Group g = groups[blockIdx.x];
    const Bounds b = bounds_of(g, p);
    const u32* words = masks + blockIdx.y * p.words + g.mask;
    int count = 0;
    for (int i = threadIdx.x; i < (candidates_end(b) + 31) / 32; i += 128)
    {
        count += __popc(words[i]);
    }
#pragma unroll
    for (int step = 16; step > 0; step /= 2)
    {
        count += __shfl_xor_sync(ALL, count, step);
    }
    if ((threadIdx.x & 31) == 0)
    {
        parts[threadIdx.x >> 5] = count;
    }
    __syncthreads();
    if (threadIdx.x == 0)
    {
        counts[blockIdx.y * gridDim.x + blockIdx.x] = parts[0] + parts[1] + parts[2] + parts[3];
    }
}
