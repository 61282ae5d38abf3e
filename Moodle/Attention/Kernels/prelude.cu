// AnchorAttention for NVIDIA GPUs of compute capability 8.0 and later. NVRTC compiles these files as one, without any header; the host defines D
// (head size: 64 or 128), F16 (1: half precision, 0: bfloat16) and CAUSAL (0 or 1). The host's side is Moodle/Attention/Cuda.
typedef unsigned int u32;
typedef unsigned short u16; // one half-precision or bfloat16 number, never computed with as such
typedef unsigned long long u64;

#define CHUNKS (D / 8)            // 16-byte pieces of a row
#define KSTEPS (D / 16)           // matrix instructions along a row
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f
#define INFINITE __int_as_float(0x7f800000)
#define SCALE (D == 64 ? 0.125f : 0.08838834764831845f) // 1/sqrt(d)
#define SCALE2 (SCALE * LOG2E)    // logits are kept in units of log 2: exp is ex2

// One group of rows of one sequence, as the host lays it out (KernelLayout).
struct Group
{
    long long base; // elements before the sequence's first token, first head
    long long mask; // words before this group's mask, first head
    int row0;       // rows of all sequences before it
    int block0;     // blocks of all sequences before it
    int length;     // tokens of the sequence
    int start;      // the group's first row
};

struct Shape
{
    long long rowStride, headStride; // elements; of q, k, v, the output and the gradients
    long long words;                 // mask words of a head
    int rows, blocks;                // of all sequences
    int heads;
    int tiles;                       // row tiles of a head that have a place in the kept state
    int groupRows, block, step, init, local;
    float theta;                     // nats
    int groups;                      // whose masks and lists are in memory
    int chunk, chunks;               // keys that are looked at together, a multiple of 128; the number of such chunks in the longest sequence
};

struct Bounds
{
    int end, initEnd, localStart, localEnd, candidateEnd;
};

__device__ __forceinline__ int min2(int a, int b) { return a < b ? a : b; }
__device__ __forceinline__ int max2(int a, int b) { return a > b ? a : b; }

__device__ __forceinline__ Bounds bounds_of(const Group& g, const Shape& p)
{
    Bounds b;
    b.end = min2(g.length, g.start + p.groupRows);
    b.localStart = max2(0, g.start - p.local);
    b.localEnd = CAUSAL ? b.end : max2(min2(g.length, b.end + p.local), min2(g.length, p.init));
    b.initEnd = min2(p.init, b.localStart);
    b.candidateEnd = CAUSAL ? b.end : g.length;
    return b;
}

// Candidates lie before this key.
__device__ __forceinline__ int candidates_end(const Bounds& b) { return CAUSAL ? b.localStart : b.candidateEnd; }

__device__ __forceinline__ u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

// 16 bytes, or 8, from global to shared memory; zeros where valid is false.
__device__ __forceinline__ void copy16(u32 to, const void* from, bool valid)
{
    const int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes));
}
__device__ __forceinline__ void copy8(u32 to, const void* from, bool valid)
{
    const int bytes = valid ? 8 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(to), "l"(from), "r"(bytes));
}
__device__ __forceinline__ void copy_commit() { asm volatile("cp.async.commit_group;"); }
template <int Pending> __device__ __forceinline__ void copy_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory"); }

__device__ __forceinline__ void load_matrix(u32 (&r)[4], u32 at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}
__device__ __forceinline__ void load_matrix_transposed(u32 (&r)[4], u32 at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

// c[16 x 8] += a[16 x 16] b[16 x 8]
__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1)
{
#if F16
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#endif
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define HOPPER 1
// What wgmma needs to know of a tile in shared memory: its address, and that eight rows of 128 bytes follow each other. This is the lower half, to which one may
// add: 1 is 16 bytes further. (Made anew for every product, descriptors took a fifth of the instructions, and stood between the products.)
__device__ __forceinline__ u32 descriptor(u32 address) { return address >> 4 | 64u << 16; }
#define DESCRIPTOR(register, lower) "mov.b64 " register ", {" lower ", upper}; "
// A warp group's products run beside its other instructions: begun and committed, and waited for. What the compiler knows of a sum's registers is renewed
// after the wait, and made before the beginning (hold), so that nothing reads or writes them in between.
__device__ __forceinline__ void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int Pending> __device__ __forceinline__ void products_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory"); }
template <int Count> __device__ __forceinline__ void hold(float (&sums)[Count][4])
{
#pragma unroll
    for (int i = 0; i < Count; i++)
    {
        asm volatile("" : "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3])::"memory");
    }
}
__device__ __forceinline__ void hold(u32 (&factor)[4]) { asm volatile("" : "+r"(factor[0]), "+r"(factor[1]), "+r"(factor[2]), "+r"(factor[3])::"memory"); }
// What this thread wrote to shared memory is to be seen by wgmma.
__device__ __forceinline__ void show_to_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

#if F16
#define WGMMA "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 "
#else
#define WGMMA "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
#endif
#define SUMS(c) \
    "+f"(c[0][0]), "+f"(c[0][1]), "+f"(c[0][2]), "+f"(c[0][3]), "+f"(c[1][0]), "+f"(c[1][1]), "+f"(c[1][2]), "+f"(c[1][3]), \
    "+f"(c[2][0]), "+f"(c[2][1]), "+f"(c[2][2]), "+f"(c[2][3]), "+f"(c[3][0]), "+f"(c[3][1]), "+f"(c[3][2]), "+f"(c[3][3]), \
    "+f"(c[4][0]), "+f"(c[4][1]), "+f"(c[4][2]), "+f"(c[4][3]), "+f"(c[5][0]), "+f"(c[5][1]), "+f"(c[5][2]), "+f"(c[5][3]), \
    "+f"(c[6][0]), "+f"(c[6][1]), "+f"(c[6][2]), "+f"(c[6][3]), "+f"(c[7][0]), "+f"(c[7][1]), "+f"(c[7][2]), "+f"(c[7][3])
#define SUM_REGISTERS "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, "

// c[64 x 64] += a[64 x 16] b, by four warps, each of 16 rows. b: 16 rows of 64 columns.
__device__ __forceinline__ void multiply_rows(float (*c)[4], const u32 (&a)[4], u32 b)
{
    asm volatile("{ .reg .pred p; setp.eq.b32 p, 0, 0; .reg .b32 upper; mov.b32 upper, 0x40000040; .reg .b64 b; " DESCRIPTOR("b", "%36") WGMMA SUM_REGISTERS
        "{%32,%33,%34,%35}, b, p, 1, 1, 1; }"
        : SUMS(c) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b) : "memory");
}

// c[64 x 64] (+)= a[64 x 16] bT[16 x 64], both in shared memory. (Where a's fragments lived in registers across a loop that also multiplied others, ptxas
// 13.0 put those over them.)
__device__ __forceinline__ void multiply_tiles(float (*c)[4], u32 a, u32 b, int add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %34, 0; .reg .b32 upper; mov.b32 upper, 0x40000040; .reg .b64 a, b; " DESCRIPTOR("a", "%32") DESCRIPTOR("b", "%33")
        WGMMA SUM_REGISTERS "a, b, p, 1, 1, 0, 0; }" : SUMS(c) : "r"(a), "r"(b), "r"(add) : "memory");
}
#else
#define HOPPER 0
#endif

// Two numbers rounded to 16 bits, the first in the lower half.
__device__ __forceinline__ u32 pack(float low, float high)
{
    u32 r;
#if F16
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
#endif
    return r;
}
__device__ __forceinline__ float low_of(u32 x)
{
#if F16
    float r;
    asm("{ .reg .f16 h, g; mov.b32 {h, g}, %1; cvt.f32.f16 %0, h; }" : "=f"(r) : "r"(x));
    return r;
#else
    return __uint_as_float(x << 16);
#endif
}
__device__ __forceinline__ float high_of(u32 x)
{
#if F16
    return low_of(x >> 16);
#else
    return __uint_as_float(x & 0xffff0000u);
#endif
}

__device__ __forceinline__ float exp2_of(float x)
{
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}

#define ALL 0xffffffffu
__device__ __forceinline__ float quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(ALL, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL, x, 2));
}
__device__ __forceinline__ float quad_sum(float x)
{
    x += __shfl_xor_sync(ALL, x, 1);
    return x + __shfl_xor_sync(ALL, x, 2);
}

__device__ __forceinline__ int sum_of_warp(int x)
{
    int sum;
    asm volatile("redux.sync.add.s32 %0, %1, 0xffffffff;" : "=r"(sum) : "r"(x));
    return sum;
}
// The sum of x over the warp's threads up to this one.
__device__ __forceinline__ int sum_up_to(int x)
{
#pragma unroll
    for (int step = 1; step < 32; step *= 2)
    {
        const int other = __shfl_up_sync(ALL, x, step);
        x += (threadIdx.x & 31) >= step ? other : 0;
    }
    return x;
}

// Byte offset of a 16-byte piece in a tile of Rows rows of D numbers: 64 columns after 64 columns; within these 128 bytes of a row, pieces are exchanged so
// that eight rows' pieces lie in different banks. wgmma knows this as its swizzle of 128 bytes.
template <int Rows> __device__ __forceinline__ u32 at(int row, int piece)
{
    return (u32)((piece >> 3) * Rows * 128 + row * 128 + ((piece ^ row) & 7) * 16);
}

// Fragments of a tile in shared memory. a: rows x 16 of the left factor; b: the right factor, whose columns are the tile's rows (two times 8 of
// them); t: the right factor is the tile itself (16 rows, two times 8 columns).
template <int Rows> __device__ __forceinline__ void fragment_a(u32 (&r)[4], u32 tile, int row, int kstep)
{
    const int lane = threadIdx.x & 31;
    load_matrix(r, tile + at<Rows>(row + (lane & 15), kstep * 2 + (lane >> 4)));
}
template <int Rows> __device__ __forceinline__ void fragment_b(u32 (&r)[4], u32 tile, int row, int kstep)
{
    const int lane = threadIdx.x & 31;
    load_matrix(r, tile + at<Rows>(row + (lane & 7) + ((lane >> 4) << 3), kstep * 2 + ((lane >> 3) & 1)));
}
template <int Rows> __device__ __forceinline__ void fragment_t(u32 (&r)[4], u32 tile, int row, int piece)
{
    const int lane = threadIdx.x & 31;
    load_matrix_transposed(r, tile + at<Rows>(row + (lane & 15), piece + (lane >> 4)));
}

// A row, by one multiplication of 32 bits: rows are shorter than 4 GiB.
__device__ __forceinline__ const u16* row_of(const u16* from, int row, u32 bytes) { return (const u16*)((const char*)from + (u64)(u32)row * bytes); }

// Of one head, rows [first, first + Rows); zeros from `end` on.
template <int Rows, int Threads> __device__ __forceinline__ void load_rows(u32 tile, const u16* from, long long stride, int first, int end)
{
#pragma unroll
    for (int i = 0; i < Rows * CHUNKS / Threads; i++)
    {
        const int piece = i * Threads + threadIdx.x, place = piece / CHUNKS, c = piece % CHUNKS, row = first + place;
        const bool valid = row < end;
        copy16(tile + at<Rows>(place, c), row_of(from + c * 8, valid ? row : 0, (u32)stride * 2), valid);
    }
}

// The keys that a group attends to, numbered: those of its anchor region, then stripe by stripe those of its list.
struct AnchorKeys
{
    int initEnd, shift; // the window begins where the first keys end
    __device__ __forceinline__ AnchorKeys(const Bounds& b) : initEnd(b.initEnd), shift(b.localStart - b.initEnd) {}
    __device__ __forceinline__ int operator()(int slot) const { return slot < initEnd ? slot : slot + shift; }
};
struct ListedKeys
{
    const int* list;
    __device__ __forceinline__ int operator()(int slot) const { return list[slot]; }
};

// Rows of k and of v of the keys in slots [first, first + Slots), zeros from slot count on.
template <int Slots, int Threads, class Keys>
__device__ __forceinline__ void load_keys(u32 k, u32 v, const u16* keys, const u16* values, long long stride, int first, int count, Keys key)
{
#pragma unroll
    for (int i = 0; i < Slots * CHUNKS / Threads; i++)
    {
        const int piece = i * Threads + threadIdx.x, row = piece / CHUNKS, c = piece % CHUNKS, slot = first + row;
        const bool valid = slot < count;
        const int own = valid ? key(slot) : 0;
#if D == 64
        copy16(k + at<Slots>(row, c), row_of(keys + c * 8, own, (u32)stride * 2), valid);
        copy16(v + at<Slots>(row, c), row_of(values + c * 8, own, (u32)stride * 2), valid);
#else // more instructions, and fewer registers that live
        copy16(k + at<Slots>(row, c), keys + own * stride + c * 8, valid);
        copy16(v + at<Slots>(row, c), values + own * stride + c * 8, valid);
#endif
    }
}

// The lower `count` bits.
__device__ __forceinline__ u32 below(int count) { return count <= 0 ? 0 : count >= 32 ? ALL : (1u << count) - 1; }

// The stripes of a group and head among a chunk of keys: their number, and where their list begins in the pool; -1 where there was no room for it, and the
// mask's bits tell. The pool's first number is how much of it has been given away.
struct Listed
{
    int start, count;
};

// Waits for so many of the block's threads, in whole warps; barrier 0 is that of __syncthreads.
template <int Threads> __device__ __forceinline__ void wait_for_group(int barrier) { asm volatile("bar.sync %0, %1;" ::"r"(barrier), "n"(Threads) : "memory"); }

// A group's stripes in order, window by window: a window holds WINDOW keys. The block's first threads call it, all together.
#define WINDOW 2048
template <int Threads, int Barrier = 0> struct Stripes
{
    __device__ __forceinline__ Stripes(const u32* masks, const int* pool, const Listed* lists, int group, const Group& g, int head, const Shape& p, int (&list)[WINDOW])
        : mask(masks + head * p.words + g.mask), pool(pool), lists(lists + ((long long)head * p.groups + group) * p.chunks), chunks(p.chunks), chunk(p.chunk),
          end(candidates_end(bounds_of(g, p))), batch(0), before(0), window(0), list(list) {}

    // The number of keys in the next window; 0 at the end. The list may be read after it, until the next call, which waits for all readers.
    __device__ __forceinline__ int next()
    {
        const int lane = threadIdx.x & 31;
        wait_for_group<Threads>(Barrier);
        for (; batch < chunks; batch += 32)
        {
            Listed own = {0, 0};
            if (batch + lane < chunks)
            {
                own = lists[batch + lane];
            }
            const int upTo = sum_up_to(own.count), all = __shfl_sync(ALL, upTo, 31);
            const int base = before - window, slots = min2(WINDOW, base + all); // of the window, those of these chunks
            for (int first = max2(0, base) + (threadIdx.x & ~31); first < slots; first += 4 * Threads)
            {
                int keys[4]; // on their way together
#pragma unroll
                for (int e = 0; e < 4; e++)
                {
                    const int rank = first + e * Threads + lane - base;
                    int i = 0; // the chunk whose list has it
#pragma unroll
                    for (int step = 16; step > 0; step /= 2)
                    {
                        i += __shfl_sync(ALL, upTo, i + step - 1) <= rank ? step : 0;
                    }
                    const int start = __shfl_sync(ALL, own.start, i), earlier = __shfl_sync(ALL, upTo - own.count, i);
                    keys[e] = start >= 0 && rank + base < slots ? pool[start + rank - earlier] : -1;
                }
#pragma unroll
                for (int e = 0; e < 4; e++)
                {
                    if (keys[e] >= 0)
                    {
                        list[first + e * Threads + lane] = keys[e];
                    }
                }
            }
            if (__any_sync(ALL, own.start < 0))
            {
                for (int i = threadIdx.x >> 5; i < min2(32, chunks - batch); i += Threads / 32)
                {
                    const int start = __shfl_sync(ALL, own.start, i), place = before - window + __shfl_sync(ALL, upTo - own.count, i), first = (batch + i) * chunk;
                    if (start < 0)
                    {
                        read_mask(mask, first, min2(first + chunk, end), place, list);
                    }
                }
            }
            if (before + all - window >= WINDOW)
            {
                window += WINDOW; // the batch is looked at again for the next window
                wait_for_group<Threads>(Barrier);
                return WINDOW;
            }
            before += all;
        }
        wait_for_group<Threads>(Barrier);
        const int rest = before - window;
        window = before;
        return rest;
    }

private:
    const u32* mask;
    const int* pool;
    const Listed* lists;
    int chunks, chunk, end;
    int batch, before, window; // before: keys in earlier batches of chunks; window: keys in earlier windows
    int (&list)[WINDOW];

    // The keys from `first` to `end`, the first of which has a place in the window, or before or after it.
    static __device__ __noinline__ void read_mask(const u32* mask, int first, int end, int place, int* list)
    {
        for (; first < end; first += 1024)
        {
            const int own = first + (threadIdx.x & 31) * 32;
            u32 word = own < end ? mask[own / 32] & below(end - own) : 0;
            const int upTo = sum_up_to(__popc(word));
            for (int rank = place + upTo - __popc(word); word != 0; word &= word - 1, rank++)
            {
                if (rank >= 0 && rank < WINDOW)
                {
                    list[rank] = own + __ffs(word) - 1;
                }
            }
            place += __shfl_sync(ALL, upTo, 31);
        }
    }
};
