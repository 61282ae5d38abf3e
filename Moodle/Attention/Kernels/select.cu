// Selection: mean query and mean anchor of every block of rows, then the list of every group. In long sequences, keys that no block of many can select are
// left out first: an exact bound tells, and what it leaves is decided as in short ones.

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

// Mean queries that are looked at together, of one sequence; they begin where a group begins.
struct Strip
{
    int group; // the sequence's first group
    int block; // the first mean query's number in the sequence
};
// Most mean queries of a strip. Each strip reads all keys: on Hopper half as many strips are faster where keys are screened, and as fast elsewhere.
#define STRIP (HOPPER ? 128 : 64)
#define BOX 16 // mean queries of a box
#define BOXES (STRIP / BOX)

// Boxes: of several mean queries in a row the middle and half of the width of every coordinate, so that none of their products with a key exceeds
// middle · key + width · |key|, unless sums of finite numbers leave float's range; and what that must reach, the least threshold. (A ball around the middle bounds nothing: keys are long and nearly at right
// angles to most of it.) Grid: strips, heads.
extern "C" __global__ void __launch_bounds__(128)
mean_boxes(const u16* __restrict__ meanQueries, const float* __restrict__ thresholds, u16* __restrict__ boxes, float* __restrict__ reaches,
    const Strip* __restrict__ strips, int blocksOfStrip, const Group* __restrict__ groups, Shape p)
{
    const Strip strip = strips[blockIdx.x];
    const Group g = groups[strip.group];
    const int blocks = min2(blocksOfStrip, (g.length + p.block - 1) / p.block - strip.block);
    const long long block0 = (long long)blockIdx.y * p.blocks + g.block0 + strip.block, box0 = ((long long)blockIdx.y * gridDim.x + blockIdx.x) * BOXES;
    const int pair = threadIdx.x % (D / 2);
    for (int box = threadIdx.x / (D / 2); box < BOXES; box += 128 / (D / 2))
    {
        const int first = box * BOX, count = min2(BOX, blocks - first);
        const u32* from = (const u32*)meanQueries + (block0 + first) * (D / 2) + pair;
        float least[2] = {INFINITE, INFINITE}, most[2] = {-INFINITE, -INFINITE}, odd = 0; // odd: not a number if one of them is none or infinite
#pragma unroll 4
        for (int i = 0; i < count; i++)
        {
            const u32 x = from[i * (D / 2)];
            const float each[2] = {low_of(x), high_of(x)};
#pragma unroll
            for (int e = 0; e < 2; e++)
            {
                least[e] = fminf(least[e], each[e]), most[e] = fmaxf(most[e], each[e]), odd += each[e] - each[e];
            }
        }
        u32 middle = 0, width = 0;
        if (count > 0)
        {
            middle = pack((least[0] + most[0]) / 2, (least[1] + most[1]) / 2);
            // More than rounding here and in the sums of products can take away.
            const float m[2] = {low_of(middle), high_of(middle)};
            float w[2];
#pragma unroll
            for (int e = 0; e < 2; e++)
            {
                const float half = fmaxf(most[e] - m[e], m[e] - least[e]);
                w[e] = (half + (half + fabsf(m[e])) * 0.001f) * 1.004f + 1e-7f + odd;
            }
            width = pack(w[0], w[1]);
        }
        u32* to = (u32*)boxes + (box0 + box) * D + pair;
        to[0] = middle, to[D / 2] = width;
        if (pair == 0)
        {
            float reach = INFINITE;
            odd = 0;
            for (int i = 0; i < count; i++)
            {
                const float each = thresholds[block0 + first + i];
                reach = fminf(reach, each), odd += each - each;
            }
            reaches[box0 + box] = reach + odd;
        }
    }
}

#define SCREEN_ROWS 64 // boxes
#define SCREEN_STRIPS (SCREEN_ROWS / BOXES)
#define SCREEN_THREADS 128
#define SCREEN_STRIDE (D * 2 + 64) // bytes; so that 16 bytes of eight threads lie in different banks

struct ScreenShared
{
    char boxes[2][SCREEN_ROWS][SCREEN_STRIDE]; // middles, widths
    float reaches[SCREEN_ROWS];
};

// A bit for each strip and key: whether a block of the strip may select it. A block of threads takes up to 8 or 16 strips of a sequence, those from
// firstStrips[i] to the next one's. Products do not depend on the order of coordinates: each thread takes 8 in a row of a key, straight from memory.
// Grid: such ranges of strips times shares of keys, heads.
extern "C" __global__ void __launch_bounds__(SCREEN_THREADS, D == 64 ? 4 : 3)
screen_keys(const u16* __restrict__ boxes, const float* __restrict__ reaches, const u16* __restrict__ k, u32* __restrict__ screen, const Strip* __restrict__ strips,
    const int* __restrict__ firstStrips, int allStrips, int blocksOfStrip, int share, int shares, const Group* __restrict__ groups, Shape p)
{
    __shared__ __align__(16) ScreenShared s;
    const int firstStrip = firstStrips[blockIdx.x / shares], count = firstStrips[blockIdx.x / shares + 1] - firstStrip, firstKey = blockIdx.x % shares * share, head = blockIdx.y;
    const Strip strip = strips[firstStrip];
    const Group g = groups[strip.group];
    int endKey = min2(g.length, firstKey + share);
#if CAUSAL
    endKey = min2(endKey, (strip.block + count * blocksOfStrip) * p.block);
#endif
    if (firstKey >= endKey)
    {
        return;
    }
    const long long strip0 = (long long)head * allStrips + firstStrip;
    for (int i = threadIdx.x; i < SCREEN_ROWS * 2 * CHUNKS; i += SCREEN_THREADS)
    {
        // The boxes of a strip are in the same place of all tiles of 16 rows, or of their halves: one thread sees whether any of them is reached.
        const int box = i / (2 * CHUNKS), part = i / CHUNKS & 1, c = i % CHUNKS;
        const bool valid = box < count * BOXES;
        copy16(shared_address(s.boxes[part][box % BOXES * SCREEN_STRIPS + box / BOXES]) + c * 16, boxes + ((strip0 * BOXES + (valid ? box : 0)) * 2 + part) * D + c * 8, valid);
    }
    copy_commit();
    if (threadIdx.x < SCREEN_ROWS)
    {
        s.reaches[threadIdx.x % BOXES * SCREEN_STRIPS + threadIdx.x / BOXES] = threadIdx.x < count * BOXES ? reaches[strip0 * BOXES + threadIdx.x] : INFINITE;
    }
    copy_wait<0>();
    __syncthreads();

    const int lane = threadIdx.x & 31, row = lane >> 2, column = lane & 3, words = p.chunks * (p.chunk / 32);
    float reach[4][2];
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        reach[i >> 1][i & 1] = s.reaches[(i >> 1) * 16 + (i & 1) * 8 + row];
    }
    const u16* keys = k + g.base + head * p.headStride + column * 8;
    u32* to = screen + strip0 * words;
    for (int at = firstKey + (threadIdx.x >> 5) * 32; at < endKey; at += SCREEN_THREADS)
    {
        uint4 b[4][D / 32];
#pragma unroll
        for (int nt = 0; nt < 4; nt++)
#pragma unroll
            for (int kk = 0; kk < D / 32; kk++)
            {
                b[nt][kk] = *(const uint4*)(keys + min2(at + nt * 8 + row, endKey - 1) * p.rowStride + kk * 32);
            }
        float c[4][4][4] = {};
#pragma unroll
        for (int kk = 0; kk < D / 32; kk++)
#pragma unroll
            for (int part = 0; part < 2; part++)
            {
#pragma unroll
                for (int mt = 0; mt < 4; mt++)
                {
                    const char* from = s.boxes[part][mt * 16 + row] + kk * 64 + column * 16;
                    const uint4 upper = *(const uint4*)from, lower = *(const uint4*)(from + 8 * SCREEN_STRIDE);
                    const u32 first[4] = {upper.x, lower.x, upper.y, lower.y}, second[4] = {upper.z, lower.z, upper.w, lower.w};
#pragma unroll
                    for (int nt = 0; nt < 4; nt++)
                    {
                        multiply(c[mt][nt], first, b[nt][kk].x, b[nt][kk].y);
                        multiply(c[mt][nt], second, b[nt][kk].z, b[nt][kk].w);
                    }
                }
#pragma unroll
                for (int nt = 0; nt < 4; nt++)
                {
                    b[nt][kk].x &= 0x7fff7fffu, b[nt][kk].y &= 0x7fff7fffu, b[nt][kk].z &= 0x7fff7fffu, b[nt][kk].w &= 0x7fff7fffu;
                }
            }
#pragma unroll
        for (int h = 0; h < SCREEN_STRIPS / 8; h++)
        {
            u32 word = 0;
#pragma unroll
            for (int nt = 0; nt < 4; nt++)
#pragma unroll
                for (int e = 0; e < 2; e++)
                {
                    bool any = false; // not "at least": what is not a number must be looked at
#pragma unroll
                    for (int mt = 0; mt < 4; mt++)
#pragma unroll
                        for (int half = h; half < 2; half += SCREEN_STRIPS / 8)
                        {
                            any = any || !(c[mt][nt][half * 2 + e] < reach[mt][half]);
                        }
                    word |= any ? 1u << (nt * 8 + e) : 0;
                }
            word <<= column * 2;
            word |= __shfl_xor_sync(ALL, word, 1);
            word |= __shfl_xor_sync(ALL, word, 2);
            if (column == h && h * 8 + row < count)
            {
                to[(long long)(h * 8 + row) * words + at / 32] = word & below(endKey - at);
            }
        }
    }
}

#define SELECT_THREADS (STRIP * 2)
#define SELECT_TILE (HOPPER && D == 128 ? 64 : 128) // keys whose products are made at one time

// Keys: that lie there together. Behind it lie a bit for each group and slot of the chunk, and, where keys were screened, those that are left.
template <int Keys> struct SelectShared
{
    uint4 q[STRIP * CHUNKS];
    uint4 k[2][Keys * CHUNKS];
    long long masks[STRIP]; // of the strip's groups
    Bounds bounds[STRIP];   // theirs, counted in slots
    int places[STRIP];      // numbers of keys, then where their lists begin
    float thresholds[STRIP];
    int totals[SELECT_THREADS / 32];
};

// The bits of eight slots by each of four threads, of which the first has slots 0, 1, 8, 9, 16, 17, 24 and 25 and the others those behind, in the order of slots: 4 x 4 pairs, transposed.
__device__ __forceinline__ u32 slots_in_order(u32 x)
{
    u32 moved = (x ^ x >> 6) & 0x00cc00cc;
    x ^= moved ^ moved << 6;
    moved = (x ^ x >> 12) & 0x0000f0f0;
    return x ^ moved ^ moved << 12;
}

// Looks at a chunk of keys for a strip, and writes the list of every group. A slot holds a key of the chunk: all of them, or those that the screen leaves.
// mma.sync: each warp has 32 mean queries and 64 keys of a tile. wgmma: every four warps have 64 mean queries and all keys of a tile, other blocks of threads
// fill the time of a wait.
template <bool Screened, int Together> __device__ __forceinline__ void select_keys(SelectShared<Together>& s, const u16* __restrict__ meanQueries, const float* __restrict__ thresholds,
    const u16* __restrict__ k, const u32* __restrict__ screen, u32* __restrict__ masks, Listed* __restrict__ lists, int* __restrict__ pool, int capacity,
    const Strip* __restrict__ strips, int blocksOfStrip, int firstOfAll, const Group* __restrict__ groups, const Shape& p)
{
    const Strip strip = strips[blockIdx.x / p.chunks];
    const Group g = groups[strip.group];
    const int length = g.length, chunk = blockIdx.x % p.chunks, firstKey = chunk * p.chunk, head = blockIdx.y, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int allBlocks = (length + p.block - 1) / p.block, blocks = min2(blocksOfStrip, allBlocks - strip.block);
    const int firstGroup = strip.group + strip.block / p.step, owned = (blocks + p.step - 1) / p.step;
    int endKey = min2(length, firstKey + p.chunk);
#if CAUSAL
    endKey = min2(endKey, (strip.block / p.step + owned) * p.groupRows);
#endif
    Listed* const own = lists + ((long long)head * p.groups + firstGroup - firstOfAll) * p.chunks + chunk; // the first group's
    const int words = p.chunk / 32;
    u32* const bits = (u32*)(&s + 1);       // [owned][words]
    u16* const left = (u16*)(bits + blocksOfStrip / p.step * words);
    auto key_of = [&](int slot) { return firstKey + (Screened ? left[slot] : slot); };
    int slots = max2(0, endKey - firstKey);
    if (Screened && slots > 0)
    {
        // Each thread's words follow each other: slots are in the order of keys.
        const int share = (words + SELECT_THREADS - 1) / SELECT_THREADS, first = threadIdx.x * share, end = min2(first + share, (slots + 31) / 32);
        const u32* from = screen + (((long long)head * (gridDim.x / p.chunks) + blockIdx.x / p.chunks) * p.chunks + chunk) * words;
        auto word_of = [=](int i) { return from[i] & below(slots - i * 32); }; // of all slots
        int count = 0;
        for (int i = first; i < end; i++)
        {
            count += __popc(word_of(i));
        }
        int rank = sum_up_to(count);
        if (lane == 31)
        {
            s.totals[warp] = rank;
        }
        __syncthreads();
        rank -= count;
        slots = 0;
#pragma unroll
        for (int i = 0; i < SELECT_THREADS / 32; i++)
        {
            rank += i < warp ? s.totals[i] : 0;
            slots += s.totals[i];
        }
        for (int i = first; i < end; i++)
        {
            for (u32 word = word_of(i); word != 0; word &= word - 1)
            {
                left[rank++] = (u16)(i * 32 + __ffs(word) - 1);
            }
        }
    }
    if (slots == 0)
    {
        for (int i = threadIdx.x; i < owned; i += SELECT_THREADS)
        {
            Listed none = {0, 0};
            own[i * p.chunks] = none;
        }
        return;
    }
    const int used = (slots + 127) / 128 * 4; // words
    for (int i = threadIdx.x; i < owned * words / 4; i += SELECT_THREADS)
    {
        uint4 none = {};
        ((uint4*)bits)[i] = none;
    }
    __syncthreads();

    const u16* keys = k + g.base + head * p.headStride;
    const u32 place = shared_address(s.k[0]) + at<Together>(threadIdx.x / CHUNKS, threadIdx.x % CHUNKS), bytes = (u32)p.rowStride * 2;
    const int step = SELECT_THREADS / CHUNKS; // keys that are copied at once
    auto load = [&](int first, int buffer) {
        if (first < slots)
        {
#pragma unroll
            for (int i = 0; i < Together / step; i++)
            {
                // Behind the last slot that one again: it is no candidate there.
                const u32 offset = (u32)key_of(min2(first + (int)threadIdx.x / CHUNKS + i * step, slots - 1)) * bytes + threadIdx.x % CHUNKS * 16;
                copy16(place + buffer * (Together * CHUNKS * 16) + i * step * 128, (const char*)keys + offset, true);
            }
        }
        copy_commit();
    };
    const long long block0 = (long long)head * p.blocks + g.block0 + strip.block;
    load_rows<STRIP, SELECT_THREADS>(shared_address(s.q), meanQueries + block0 * D, D, 0, blocks);
    load(0, 0);
    if (threadIdx.x < STRIP)
    {
        s.thresholds[threadIdx.x] = threadIdx.x < blocks ? thresholds[block0 + threadIdx.x] : INFINITE;
    }
    if (threadIdx.x < owned)
    {
        const Group each = groups[firstGroup + threadIdx.x];
        Bounds b = bounds_of(each, p);
        auto slot_of = [&](int key) { // how many slots lie before the key
            int low = Screened ? 0 : min2(max2(key - firstKey, 0), slots), high = Screened ? slots : low;
            while (low < high)
            {
                const int middle = (low + high) / 2;
                const bool later = key_of(middle) < key;
                low = later ? middle + 1 : low, high = later ? high : middle;
            }
            return low;
        };
        b.initEnd = slot_of(b.initEnd), b.localStart = slot_of(b.localStart), b.localEnd = slot_of(b.localEnd), b.candidateEnd = slot_of(b.candidateEnd);
        s.bounds[threadIdx.x] = b;
        s.masks[threadIdx.x] = each.mask;
    }
    copy_wait<0>();
    __syncthreads();

#if HOPPER
    const int Rows = 1, Keys = SELECT_TILE, warpBlock = warp * 16, warpKey = 0;
#else
    const int Rows = 2, Keys = 64, warpBlock = warp % (STRIP / 32) * 32, warpKey = warp / (STRIP / 32) * 64;
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
            fragment_a<STRIP>(a[mt][ks], shared_address(s.q), warpBlock + mt * 16, ks);
        }
#endif
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const int row = warpBlock + mt * 16 + h * 8 + (lane >> 2);
            threshold[mt][h] = s.thresholds[row]; // none beyond the strip's blocks
            group[mt][h] = row < blocks ? row / p.step : -1;
        }
    }
    // Few keys are selected: the largest of eight products is compared first. As integers floats above 0 are in the same order, and what is not a number (the
    // products' kind has no sign) is above all; where the threshold is not above 0, all are looked at.
    int reach[Rows][2];
    u32* marks[Rows][2]; // the group's bits
#pragma unroll
    for (int mt = 0; mt < Rows; mt++)
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            reach[mt][h] = threshold[mt][h] > 0 ? __float_as_int(threshold[mt][h]) : 0x80000000;
            marks[mt][h] = bits + group[mt][h] * words + warpKey / 32;
        }
    // A thread has two slots in a row, of every eight; in a word it puts its eight bits together, to be put in order later.
    auto mark = [&](const float (&c)[Rows][Keys / 8][4], int at) {
#pragma unroll
        for (int mt = 0; mt < Rows; mt++)
#pragma unroll
            for (int h = 0; h < 2; h++)
#pragma unroll
                for (int w = 0; w < Keys / 32; w++)
                {
                    int top = __float_as_int(c[mt][w * 4][h * 2]);
#pragma unroll
                    for (int i = 1; i < 8; i++)
                    {
                        top = max2(top, __float_as_int(c[mt][w * 4 + i / 2][h * 2 + i % 2]));
                    }
                    if (top >= reach[mt][h])
                    {
                        // The signs of what is left of them without the threshold: what is not a number has none and is taken, so that it shows in the output as it does in dense attention.
                        u32 less = 0;
#pragma unroll
                        for (int i = 7; i >= 0; i--)
                        {
                            less = less << 1 | (u32)__float_as_int(c[mt][w * 4 + i / 2][h * 2 + i % 2] - threshold[mt][h]) >> 31;
                        }
                        if (group[mt][h] >= 0)
                        {
                            atomicOr(marks[mt][h] + at / 32 + w, (less ^ 0xff) << ((lane & 3) * 8));
                        }
                    }
                }
    };
#if HOPPER
    const u32 means = descriptor(shared_address(s.q)) + __shfl_sync(ALL, warp >> 2, 0) * 64 * 8, tiles = descriptor(shared_address(s.k)); // the shuffle tells the compiler that a warp has one
#endif
    for (int first = 0, buffer = 0; first < slots; first += Together, buffer ^= 1)
    {
#if HOPPER
        show_to_products();
        __syncthreads();
        for (int part = 0; part < Together / Keys && first + part * Keys < slots; part++)
        {
            float c[Rows][Keys / 8][4];
            const u32 tile = tiles + (buffer * (Together * CHUNKS) + part * (Keys * 8));
            products_begin();
#pragma unroll
            for (int ks = 0; ks < KSTEPS; ks++)
#pragma unroll
                for (int half = 0; half < Keys / 64; half++)
                {
                    multiply_tiles(&c[0][half * 8], means + (ks >> 2) * STRIP * 8 + (ks & 3) * 2, tile + (ks >> 2) * Together * 8 + half * 64 * 8 + (ks & 3) * 2, ks > 0);
                }
            products_commit();
            if (part == 0)
            {
                load(first + Together, buffer ^ 1);
            }
            products_wait<0>();
            hold(c[0]);
            mark(c, first + part * Keys);
        }
        copy_wait<0>();
#else
        load(first + Together, buffer ^ 1);
        const u32 tile = shared_address(s.k[buffer]);
        float c[Rows][Keys / 8][4] = {};
#pragma unroll
        for (int ks = 0; ks < KSTEPS; ks++)
#pragma unroll
            for (int nt = 0; nt < Keys / 16; nt++)
            {
                u32 b[4];
                fragment_b<Together>(b, tile, warpKey + nt * 16, ks);
#pragma unroll
                for (int mt = 0; mt < Rows; mt++)
                {
                    multiply(c[mt][nt * 2], a[mt][ks], b[0], b[1]);
                    multiply(c[mt][nt * 2 + 1], a[mt][ks], b[2], b[3]);
                }
            }
        mark(c, first);
        copy_wait<0>();
        __syncthreads();
#endif
    }
    __syncthreads();

    // Words of 32 slots, whose bits are put in order: only candidates of the group stay, and are counted.
    for (int i = warp; i < owned; i += SELECT_THREADS / 32)
    {
        const Bounds b = s.bounds[i];
        const bool candidates = b.initEnd <= 0 && (b.localStart >= b.candidateEnd || b.localEnd <= 0) && b.candidateEnd >= used * 32; // all slots
        int count = 0;
        for (int word = lane; word < used; word += 32)
        {
            u32 x = slots_in_order(bits[i * words + word]);
            if (!candidates)
            {
                const int slot = word * 32;
                x &= ~below(b.initEnd - slot);                              // the first keys
                x &= below(b.localStart - slot) | ~below(b.localEnd - slot); // the window
                x &= below(b.candidateEnd - slot);
            }
            bits[i * words + word] = x;
            count += __popc(x);
        }
        count = sum_of_warp(count);
        if (lane == 0)
        {
            s.places[i] = count;
        }
    }
    __syncthreads();
    if (warp == 0)
    {
        int counts[STRIP / 32], sum = 0; // groups of a thread
#pragma unroll
        for (int e = 0; e < STRIP / 32; e++)
        {
            counts[e] = lane * (STRIP / 32) + e < owned ? s.places[lane * (STRIP / 32) + e] : 0;
            sum += counts[e];
        }
        int place = sum_up_to(sum);
        const int all = __shfl_sync(ALL, place, 31);
        int start = 1;
        if (lane == 0 && all > 0)
        {
            start = 1 + atomicAdd(pool, all);
            start = start > capacity - all || start < 0 ? -1 : start;
        }
        start = __shfl_sync(ALL, start, 0);
        place -= sum;
#pragma unroll
        for (int e = 0; e < STRIP / 32; e++)
        {
            const int i = lane * (STRIP / 32) + e;
            if (i < owned)
            {
                Listed listed = {start < 0 ? -1 : start + place, counts[e]};
                own[i * p.chunks] = listed;
                s.places[i] = listed.start;
            }
            place += counts[e];
        }
    }
    __syncthreads();
    // A lane's words follow each other.
    const int wordsOfLane = (used + 31) / 32, firstWord = min2(lane * wordsOfLane, used), endWord = min2(firstWord + wordsOfLane, used);
    for (int i = warp; i < owned; i += SELECT_THREADS / 32)
    {
        const int place = s.places[i];
        u32* const mask = masks + head * p.words + s.masks[i];
        if (place < 0)
        {
            for (int word = lane; word < (endKey - firstKey + 31) / 32; word += 32)
            {
                mask[firstKey / 32 + word] = Screened ? 0 : bits[i * words + word];
            }
            __syncwarp();
            if (!Screened)
            {
                continue;
            }
        }
        int count = 0;
        for (int word = firstWord; word < endWord; word++)
        {
            count += __popc(bits[i * words + word]);
        }
        if (!__any_sync(ALL, count > 0))
        {
            continue;
        }
        int to = place + sum_up_to(count) - count;
        for (int word = firstWord; word < endWord; word++)
        {
            for (u32 x = bits[i * words + word]; x != 0; x &= x - 1)
            {
                const int key = key_of(word * 32 + __ffs(x) - 1);
                if (place < 0)
                {
                    atomicOr(&mask[key / 32], 1u << (key & 31));
                }
                else
                {
                    pool[to++] = key;
                }
            }
        }
    }
}

// Grid: strips times chunks of keys, heads. firstOfAll: the first group whose lists are in memory. Hopper's blocks take two tiles at a barrier; where keys were screened, of which few are left, large chunks
// have need of the room.
#define SELECT(Name, Screened, Together) \
    extern "C" __global__ void __launch_bounds__(SELECT_THREADS, HOPPER ? 2 : 1) Name(const u16* __restrict__ meanQueries, const float* __restrict__ thresholds, \
        const u16* __restrict__ k, const u32* __restrict__ screen, u32* __restrict__ masks, Listed* __restrict__ lists, int* __restrict__ pool, int capacity, \
        const Strip* __restrict__ strips, int blocksOfStrip, int firstOfAll, const Group* __restrict__ groups, Shape p) \
    { \
        extern __shared__ __align__(1024) uint4 memory[]; \
        select_keys<Screened>(*(SelectShared<Together>*)memory, meanQueries, thresholds, k, screen, masks, lists, pool, capacity, strips, blocksOfStrip, firstOfAll, groups, p); \
    }
SELECT(select_stripes, false, SELECT_TILE * (1 + HOPPER))
SELECT(select_screened, true, SELECT_TILE)
